/** The first tables. A published step never changes: later ones alter. */
import { sql, type Transaction } from 'kysely';
import { index, table } from './columns.ts';

type Db = Transaction<unknown>;

export async function createIdentityTables(db: Db): Promise<void> {
  await createActors(db);
  await createRoles(db);
  await createCatalog(db);
  await createCredentials(db);
  await createTokens(db);
}

async function createActors(db: Db): Promise<void> {
  await table(
    db,
    'identity_project',
    ['id', 'domain_id?', 'parent_id?', 'name', 'description', 'tags', 'extra'],
    ['enabled', 'is_domain'],
  )
    .addPrimaryKeyConstraint('identity_project_pk', ['id'])
    .addForeignKeyConstraint('identity_project_domain', ['domain_id'], 'identity_project', ['id'])
    .addForeignKeyConstraint('identity_project_parent', ['parent_id'], 'identity_project', ['id'])
    .addUniqueConstraint('identity_project_name', ['domain_id', 'name'])
    .execute();
  // Two nulls are never equal to a unique constraint, so the names of domains need an index of their own.
  await db.schema
    .createIndex('identity_domain_name')
    .unique()
    .on('identity_project')
    .column('name')
    .where(sql<boolean>`is_domain = 1`)
    .execute();
  await index(db, 'identity_project', ['parent_id']);
  await table(
    db,
    'identity_user',
    ['id', 'domain_id', 'name', 'default_project_id?', 'options', 'extra'],
    ['enabled', 'created_at_us', 'failed_count', 'failed_at_us?'],
  )
    .addPrimaryKeyConstraint('identity_user_pk', ['id'])
    .addForeignKeyConstraint('identity_user_domain', ['domain_id'], 'identity_project', ['id'])
    .addUniqueConstraint('identity_user_name', ['domain_id', 'name'])
    .execute();
  await table(
    db,
    'identity_password',
    ['id', 'user_id', 'hash'],
    ['created_at_us', 'expires_at_us?'],
  )
    .addPrimaryKeyConstraint('identity_password_pk', ['id'])
    .addForeignKeyConstraint('identity_password_user', ['user_id'], 'identity_user', ['id'], (on) =>
      on.onDelete('cascade'),
    )
    .execute();
  await index(db, 'identity_password', ['user_id']);
  await table(db, 'identity_group', ['id', 'domain_id', 'name', 'description', 'extra'])
    .addPrimaryKeyConstraint('identity_group_pk', ['id'])
    .addForeignKeyConstraint('identity_group_domain', ['domain_id'], 'identity_project', ['id'])
    .addUniqueConstraint('identity_group_name', ['domain_id', 'name'])
    .execute();
  await table(db, 'identity_membership', ['user_id', 'group_id'])
    .addPrimaryKeyConstraint('identity_membership_pk', ['user_id', 'group_id'])
    .addForeignKeyConstraint(
      'identity_membership_user',
      ['user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_membership_group',
      ['group_id'],
      'identity_group',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  await index(db, 'identity_membership', ['group_id']);
}

async function createRoles(db: Db): Promise<void> {
  await table(db, 'identity_role', ['id', 'domain_id', 'name', 'description?', 'options', 'extra'])
    .addPrimaryKeyConstraint('identity_role_pk', ['id'])
    .addUniqueConstraint('identity_role_name', ['domain_id', 'name'])
    .execute();
  await table(db, 'identity_implied_role', ['prior_role_id', 'implied_role_id'])
    .addPrimaryKeyConstraint('identity_implied_role_pk', ['prior_role_id', 'implied_role_id'])
    .addForeignKeyConstraint(
      'identity_implied_role_prior',
      ['prior_role_id'],
      'identity_role',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint(
      'identity_implied_role_implied',
      ['implied_role_id'],
      'identity_role',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  // Actor and target are of two kinds each, so deleting one removes its assignments in the same transaction, in code.
  const key = ['actor_type', 'actor_id', 'target_type', 'target_id', 'role_id', 'inherited'];
  await table(db, 'identity_assignment', key.slice(0, 5), ['inherited'])
    .addPrimaryKeyConstraint('identity_assignment_pk', key)
    .addForeignKeyConstraint(
      'identity_assignment_role',
      ['role_id'],
      'identity_role',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  await index(db, 'identity_assignment', ['target_type', 'target_id']);
  await index(db, 'identity_assignment', ['role_id']);
}

async function createCatalog(db: Db): Promise<void> {
  await table(db, 'identity_region', ['id', 'description', 'parent_region_id?', 'extra'])
    .addPrimaryKeyConstraint('identity_region_pk', ['id'])
    .addForeignKeyConstraint('identity_region_parent', ['parent_region_id'], 'identity_region', [
      'id',
    ])
    .execute();
  await table(db, 'identity_service', ['id', 'type', 'name', 'description?', 'extra'], ['enabled'])
    .addPrimaryKeyConstraint('identity_service_pk', ['id'])
    .execute();
  await table(
    db,
    'identity_endpoint',
    ['id', 'service_id', 'interface', 'region_id?', 'url', 'extra'],
    ['enabled'],
  )
    .addPrimaryKeyConstraint('identity_endpoint_pk', ['id'])
    .addForeignKeyConstraint(
      'identity_endpoint_service',
      ['service_id'],
      'identity_service',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addForeignKeyConstraint('identity_endpoint_region', ['region_id'], 'identity_region', ['id'])
    .execute();
  await index(db, 'identity_endpoint', ['service_id']);
}

async function createCredentials(db: Db): Promise<void> {
  await table(db, 'identity_credential', [
    'id',
    'user_id',
    'project_id?',
    'type',
    'sealed_blob',
    'extra',
  ])
    .addPrimaryKeyConstraint('identity_credential_pk', ['id'])
    .addForeignKeyConstraint(
      'identity_credential_user',
      ['user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
  await index(db, 'identity_credential', ['user_id']);
  await index(db, 'identity_credential', ['project_id']);
  await table(
    db,
    'identity_application_credential',
    [
      'id',
      'user_id',
      'project_id',
      'name',
      'description?',
      'secret_hash',
      'role_ids',
      'access_rules?',
    ],
    ['expires_at_us?', 'unrestricted'],
  )
    .addPrimaryKeyConstraint('identity_application_credential_pk', ['id'])
    .addForeignKeyConstraint(
      'identity_application_credential_user',
      ['user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .addUniqueConstraint('identity_application_credential_name', ['user_id', 'name'])
    .execute();
}

async function createTokens(db: Db): Promise<void> {
  await table(
    db,
    'identity_token_key',
    ['kid', 'public_key', 'sealed_private_key'],
    ['created_at_us', 'retired_at_us?'],
  )
    .addPrimaryKeyConstraint('identity_token_key_pk', ['kid'])
    .execute();
  await table(
    db,
    'identity_revocation',
    ['id', 'audit_id?', 'audit_chain_id?', 'user_id?'],
    ['issued_before_us?', 'forget_at_us'],
  )
    .addPrimaryKeyConstraint('identity_revocation_pk', ['id'])
    .execute();
  await table(db, 'identity_epoch', [], ['id', 'epoch'])
    .addPrimaryKeyConstraint('identity_epoch_pk', ['id'])
    .execute();
}
