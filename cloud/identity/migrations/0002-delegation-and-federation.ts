/** Options, trusts, access rules, limits, policies, endpoint filters, domain configuration, OAuth consumers, federation. */
import type { Transaction } from 'kysely';
import { index, table } from './columns.ts';

type Db = Transaction<unknown>;

export async function createDelegationTables(db: Db): Promise<void> {
  await alterFirstTables(db);
  await createTrusts(db);
  await createLimits(db);
  await createPolicies(db);
  await createEndpointFilters(db);
  await createDomainConfig(db);
  await createFederation(db);
}

async function alterFirstTables(db: Db): Promise<void> {
  const addText = (to: string, column: string, value: string) =>
    db.schema
      .alterTable(to)
      .addColumn(column, 'text', (definition) => definition.notNull().defaultTo(value))
      .execute();
  await addText('identity_project', 'options', '{}');
  // Which password the user chose, rather than an administrator.
  await db.schema
    .alterTable('identity_password')
    .addColumn('self_service', 'bigint', (definition) => definition.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('identity_user').addColumn('last_active_at_us', 'bigint').execute();
  // An EC2 credential is found by its access key, which may change while its id stays.
  await db.schema.alterTable('identity_credential').addColumn('access_hash', 'text').execute();
  const credentials = db.$extendTables<{
    identity_credential: { id: string; type: string; access_hash: string | null };
  }>();
  await credentials
    .updateTable('identity_credential')
    .set((set) => ({ access_hash: set.ref('id') }))
    .where('type', '=', 'ec2')
    .execute();
  await db.schema
    .createIndex('identity_credential_by_access_hash')
    .unique()
    .on('identity_credential')
    .column('access_hash')
    .execute();
}

async function createTrusts(db: Db): Promise<void> {
  await table(
    db,
    'identity_trust',
    [
      'id',
      'trustor_user_id',
      'trustee_user_id',
      'project_id?',
      'redelegated_trust_id?',
      'role_ids',
      'extra',
    ],
    ['impersonation', 'expires_at_us?', 'remaining_uses?', 'redelegation_count'],
  )
    .addPrimaryKeyConstraint('identity_trust_pk', ['id'])
    .addForeignKeyConstraint(
      'identity_trust_trustor',
      ['trustor_user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_trust_trustee',
      ['trustee_user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_trust_redelegated',
      ['redelegated_trust_id'],
      'identity_trust',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  await index(db, 'identity_trust', ['trustor_user_id']);
  await index(db, 'identity_trust', ['trustee_user_id']);
  await index(db, 'identity_trust', ['project_id']);
  await table(db, 'identity_access_rule', ['id', 'user_id', 'service', 'method', 'path'])
    .addPrimaryKeyConstraint('identity_access_rule_pk', ['id'])
    .addForeignKeyConstraint(
      'identity_access_rule_user',
      ['user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addUniqueConstraint('identity_access_rule_once', ['user_id', 'service', 'method', 'path'])
    .execute();
}

async function createLimits(db: Db): Promise<void> {
  // `` for every region: unique limits need a value that equals itself.
  await table(
    db,
    'identity_registered_limit',
    ['id', 'service_id', 'region_id', 'resource_name', 'description?'],
    ['default_limit'],
  )
    .addPrimaryKeyConstraint('identity_registered_limit_pk', ['id'])
    .addForeignKeyConstraint(
      'identity_registered_limit_service',
      ['service_id'],
      'identity_service',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addUniqueConstraint('identity_registered_limit_once', [
      'service_id',
      'region_id',
      'resource_name',
    ])
    .execute();
  await table(
    db,
    'identity_limit',
    ['id', 'registered_limit_id', 'target_type', 'target_id', 'description?'],
    ['resource_limit'],
  )
    .addPrimaryKeyConstraint('identity_limit_pk', ['id'])
    .addForeignKeyConstraint(
      'identity_limit_registered',
      ['registered_limit_id'],
      'identity_registered_limit',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_limit_target',
      ['target_id'],
      'identity_project',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addUniqueConstraint('identity_limit_once', ['registered_limit_id', 'target_id'])
    .execute();
  await index(db, 'identity_limit', ['target_id']);
}

async function createPolicies(db: Db): Promise<void> {
  await table(db, 'identity_policy', ['id', 'type', 'blob', 'extra'])
    .addPrimaryKeyConstraint('identity_policy_pk', ['id'])
    .execute();
  // One policy for an endpoint, a service, or a service in a region; `` where the association names none.
  const place = ['endpoint_id', 'service_id', 'region_id'];
  await table(db, 'identity_policy_association', ['policy_id', ...place])
    .addPrimaryKeyConstraint('identity_policy_association_pk', place)
    .addForeignKeyConstraint(
      'identity_policy_association_policy',
      ['policy_id'],
      'identity_policy',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
}

async function createEndpointFilters(db: Db): Promise<void> {
  await table(db, 'identity_endpoint_group', ['id', 'name', 'description?', 'filters'])
    .addPrimaryKeyConstraint('identity_endpoint_group_pk', ['id'])
    .execute();
  await table(db, 'identity_project_endpoint', ['endpoint_id', 'project_id'])
    .addPrimaryKeyConstraint('identity_project_endpoint_pk', ['endpoint_id', 'project_id'])
    .addForeignKeyConstraint(
      'identity_project_endpoint_endpoint',
      ['endpoint_id'],
      'identity_endpoint',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_project_endpoint_project',
      ['project_id'],
      'identity_project',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  await table(db, 'identity_project_endpoint_group', ['endpoint_group_id', 'project_id'])
    .addPrimaryKeyConstraint('identity_project_endpoint_group_pk', [
      'endpoint_group_id',
      'project_id',
    ])
    .addForeignKeyConstraint(
      'identity_project_endpoint_group_group',
      ['endpoint_group_id'],
      'identity_endpoint_group',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_project_endpoint_group_project',
      ['project_id'],
      'identity_project',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
}

async function createDomainConfig(db: Db): Promise<void> {
  await table(
    db,
    'identity_domain_config',
    ['domain_id', 'group_name', 'option_name', 'value'],
    ['sensitive'],
  )
    .addPrimaryKeyConstraint('identity_domain_config_pk', [
      'domain_id',
      'group_name',
      'option_name',
    ])
    .addForeignKeyConstraint(
      'identity_domain_config_domain',
      ['domain_id'],
      'identity_project',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
}

async function createFederation(db: Db): Promise<void> {
  await table(db, 'identity_consumer', ['id', 'description?', 'sealed_secret', 'extra'])
    .addPrimaryKeyConstraint('identity_consumer_pk', ['id'])
    .execute();
  await table(
    db,
    'identity_provider',
    ['id', 'domain_id', 'description?', 'remote_ids'],
    ['enabled', 'authorization_ttl?'],
  )
    .addPrimaryKeyConstraint('identity_provider_pk', ['id'])
    .addForeignKeyConstraint(
      'identity_provider_domain',
      ['domain_id'],
      'identity_project',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  await table(db, 'identity_mapping', ['id', 'rules', 'schema_version'])
    .addPrimaryKeyConstraint('identity_mapping_pk', ['id'])
    .execute();
  await table(db, 'identity_protocol', ['idp_id', 'id', 'mapping_id', 'remote_id_attribute?'])
    .addPrimaryKeyConstraint('identity_protocol_pk', ['idp_id', 'id'])
    .addForeignKeyConstraint(
      'identity_protocol_provider',
      ['idp_id'],
      'identity_provider',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  await table(
    db,
    'identity_service_provider',
    ['id', 'auth_url', 'sp_url', 'description?', 'relay_state_prefix'],
    ['enabled'],
  )
    .addPrimaryKeyConstraint('identity_service_provider_pk', ['id'])
    .execute();
  await table(db, 'identity_federated_user', [
    'user_id',
    'idp_id',
    'protocol_id',
    'unique_id',
    'display_name?',
  ])
    .addPrimaryKeyConstraint('identity_federated_user_pk', ['idp_id', 'protocol_id', 'unique_id'])
    .addForeignKeyConstraint(
      'identity_federated_user_user',
      ['user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_federated_user_provider',
      ['idp_id'],
      'identity_provider',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  await index(db, 'identity_federated_user', ['user_id']);
  // Membership that a provider vouched for, until `authorization_ttl` after it last did.
  await table(
    db,
    'identity_expiring_membership',
    ['user_id', 'group_id', 'idp_id'],
    ['verified_at_us', 'expires_at_us'],
  )
    .addPrimaryKeyConstraint('identity_expiring_membership_pk', ['user_id', 'group_id', 'idp_id'])
    .addForeignKeyConstraint(
      'identity_expiring_membership_user',
      ['user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_expiring_membership_group',
      ['group_id'],
      'identity_group',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_expiring_membership_provider',
      ['idp_id'],
      'identity_provider',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
}
