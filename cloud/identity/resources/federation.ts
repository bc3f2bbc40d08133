/** Federation (OS-FEDERATION): providers whose users may log in, how their claims are read, and the log-in itself. */
import { sql } from 'kysely';
import Type, { type Static } from 'typebox';
import type { Route } from '../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure, notFound } from '../failures.ts';
import type { FederatedLogIns } from '../federation/federated-log-in.ts';
import { mappingRules } from '../federation/mapping-rules.ts';
import type { MappingRow, ProtocolRow, ProviderRow } from '../tables.ts';
import { collectionRoutes } from './collection.ts';
import { domains, insertDomain } from './domains.ts';
import * as fields from './fields.ts';
import { onDuplicate } from './removal.ts';
import { rowsOf } from './rows.ts';
import { tokenView } from './token-view.ts';
import { linked, listReply, type View } from './views.ts';

const providers = rowsOf('identity_provider', 'identity provider');
const mappings = rowsOf('identity_mapping', 'mapping');
const base = '/v3/OS-FEDERATION';
const closed = { additionalProperties: false } as const;

const sharedOfProvider = {
  enabled: Type.Optional(fields.flag),
  description: Type.Optional(fields.nullable(fields.text)),
  authorization_ttl: Type.Optional(fields.nullable(Type.Integer({ minimum: 0 }))),
  remote_ids: Type.Optional(
    fields.nullable(
      Type.Array(Type.String({ maxLength: 255 }), { maxItems: 64, uniqueItems: true }),
    ),
  ),
};
const newProvider = Type.Object(
  { ...sharedOfProvider, domain_id: Type.Optional(fields.nullable(fields.id)) },
  closed,
);

function providerView(row: ProviderRow): View {
  return {
    ...row,
    enabled: row.enabled === 1,
    remote_ids: JSON.parse(row.remote_ids),
  };
}

/** A provider's issuers are its own: two that share one could answer for each other's users. */
async function refuseSharedIssuers(row: ProviderRow, transaction: Tx): Promise<void> {
  const mine: unknown = JSON.parse(row.remote_ids);
  const others = await providers.list(transaction, sql<boolean>`id <> ${row.id}`);
  for (const other of others) {
    const theirs: unknown = JSON.parse(other.remote_ids);
    const shared =
      Array.isArray(mine) && Array.isArray(theirs) && mine.find((one) => theirs.includes(one));
    if (typeof shared === 'string')
      throw identityFailure('duplicate', { what: 'identity_provider', name: shared });
  }
}

function providerRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const place = 'OS-FEDERATION/identity_providers';
  const show = (request: Request, row: ProviderRow) => {
    const view = linked(request, place, providerView(row));
    const protocols = `${request.baseUrl}/v3/${place}/${row.id}/protocols`;
    return { ...view, links: { ...Object(view.links), protocols } };
  };
  return [
    ...collectionRoutes(core, {
      rows: providers,
      plural: 'identity_providers',
      member: 'identity_provider',
      prefix: '/OS-FEDERATION',
      idName: 'idp_id',
      verbs: ['list', 'get', 'update', 'delete'],
      create: newProvider,
      update: Type.Object(sharedOfProvider, { ...closed, minProperties: 1 }),
      listing: { filters: { id: 'text', enabled: 'flag' }, sortKeys: ['id'], defaultSort: 'id' },
      view: providerView,
      fresh: () => {
        throw identityFailure('method-not-allowed');
      },
      changed: (before, given) => ({
        ...before,
        enabled: fields.changedFlag(given.enabled, before.enabled),
        description: fields.changed(given.description, before.description),
        authorization_ttl: fields.changed(given.authorization_ttl, before.authorization_ttl),
        remote_ids:
          given.remote_ids === undefined
            ? before.remote_ids
            : JSON.stringify(given.remote_ids ?? []),
      }),
      check: (row, _before, transaction) => refuseSharedIssuers(row, transaction),
      removing: removeFederated,
    }),
    route({
      method: 'PUT',
      path: `${base}/identity_providers/:idp_id`,
      policy: 'identity:create_identity_provider',
      body: Type.Object({ identity_provider: newProvider }),
      handle: async (request) => {
        const id = parameter(request, 'idp_id');
        const given = request.body.identity_provider;
        const row = await core.change(async (transaction) => {
          const made: ProviderRow = {
            id,
            domain_id: await domainOfProvider(core, transaction, id, given),
            description: given.description ?? null,
            remote_ids: JSON.stringify(given.remote_ids ?? []),
            enabled: given.enabled === true ? 1 : 0,
            authorization_ttl: given.authorization_ttl ?? null,
          };
          await refuseSharedIssuers(made, transaction);
          await providers.insert(transaction, made);
          return made;
        });
        return { status: 201, body: { identity_provider: show(request, row) } };
      },
    }),
  ];
}

/** The domain whose users they are: the one named, or one of the provider's own. */
async function domainOfProvider(
  core: IdentityCore,
  transaction: Tx,
  id: string,
  given: Static<typeof newProvider>,
): Promise<string> {
  const named = given.domain_id ?? undefined;
  if (named !== undefined) return (await domains.get(transaction, named)).id;
  const made = await insertDomain(core, transaction, {
    name: core.newId(),
    description: `Auto generated federated domain for Identity Provider: ${id}`,
  });
  return made.id;
}

/** With a provider go its users: nobody else can say who they are. */
async function removeFederated(row: ProviderRow, transaction: Tx): Promise<void> {
  const ofProvider = transaction
    .selectFrom('identity_federated_user')
    .select('user_id')
    .where('idp_id', '=', row.id);
  await transaction
    .deleteFrom('identity_assignment')
    .where('actor_type', '=', 'user')
    .where('actor_id', 'in', ofProvider)
    .execute();
  await transaction
    .deleteFrom('identity_user')
    .where('id', 'in', ofProvider)
    .where('id', 'not in', transaction.selectFrom('identity_password').select('user_id'))
    .execute();
}

const newMapping = Type.Object(
  {
    rules: mappingRules,
    schema_version: Type.Optional(Type.Literal('1.0')),
  },
  closed,
);

const mappingView = (row: MappingRow): View => ({ ...row, rules: JSON.parse(row.rules) });

/** Expressions that do not compile would refuse every log-in; better said now. */
function refuseBadExpressions(rules: Static<typeof mappingRules>): void {
  for (const part of rules.flatMap((rule) => rule.remote)) {
    if (!('regex' in part) || part.regex !== true) continue;
    const expressions = Object.values(part).filter(Array.isArray).flat();
    for (const expression of expressions) {
      try {
        new RegExp(String(expression));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw identityFailure('schema-invalid', {
          detail: `${String(expression).slice(0, 100)} is not a regular expression`,
        });
      }
    }
  }
}

function mappingRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return [
    ...collectionRoutes(core, {
      rows: mappings,
      plural: 'mappings',
      member: 'mapping',
      prefix: '/OS-FEDERATION',
      verbs: ['list', 'get', 'update', 'delete'],
      create: newMapping,
      update: newMapping,
      listing: { filters: {}, sortKeys: ['id'], defaultSort: 'id' },
      view: mappingView,
      fresh: () => {
        throw identityFailure('method-not-allowed');
      },
      changed: (before, given) => {
        refuseBadExpressions(given.rules);
        return { ...before, rules: JSON.stringify(given.rules) };
      },
    }),
    route({
      method: 'PUT',
      path: `${base}/mappings/:mapping_id`,
      policy: 'identity:create_mapping',
      body: Type.Object({ mapping: newMapping }),
      handle: async (request) => {
        const { rules } = request.body.mapping;
        refuseBadExpressions(rules);
        const row = {
          id: parameter(request, 'mapping_id'),
          rules: JSON.stringify(rules),
          schema_version: '1.0',
        };
        await core.change((transaction) => mappings.insert(transaction, row));
        const view = linked(request, 'OS-FEDERATION/mappings', mappingView(row));
        return { status: 201, body: { mapping: view } };
      },
    }),
  ];
}

const newProtocol = Type.Object(
  {
    mapping_id: Type.String({ minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9_-]+$' }),
    remote_id_attribute: Type.Optional(Type.String({ maxLength: 64 })),
  },
  closed,
);

function protocolRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const collection = `${base}/identity_providers/:idp_id/protocols`;
  const member = `${collection}/:protocol_id`;
  const theProvider = (request: Request, from: Db) =>
    providers.get(from, parameter(request, 'idp_id'));
  const theProtocol = async (request: Request, from: Db): Promise<ProtocolRow> => {
    const id = parameter(request, 'protocol_id');
    const row = await from
      .selectFrom('identity_protocol')
      .selectAll()
      .where('idp_id', '=', parameter(request, 'idp_id'))
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw notFound('federated protocol', id);
    return row;
  };
  const show = (request: Request, { idp_id: idpId, ...row }: ProtocolRow): View => {
    const provider = `${request.baseUrl}${base}/identity_providers/${idpId}`;
    const links = { self: `${provider}/protocols/${row.id}`, identity_provider: provider };
    return { ...row, links };
  };
  return [
    route({
      method: 'GET',
      path: collection,
      policy: 'identity:list_protocols',
      handle: async (request) => {
        const { id } = await theProvider(request, db);
        const rows = await db
          .selectFrom('identity_protocol')
          .selectAll()
          .where('idp_id', '=', id)
          .orderBy('id')
          .execute();
        const views = rows.map((row) => show(request, row));
        return listReply(request, 'protocols', views);
      },
    }),
    route({
      method: 'PUT',
      path: member,
      policy: 'identity:create_protocol',
      body: Type.Object({ protocol: newProtocol }),
      handle: async (request) => {
        const given = request.body.protocol;
        const row = await core.change(async (transaction) => {
          const { id } = await theProvider(request, transaction);
          const made: ProtocolRow = {
            idp_id: id,
            id: parameter(request, 'protocol_id'),
            mapping_id: given.mapping_id,
            remote_id_attribute: given.remote_id_attribute ?? null,
          };
          await onDuplicate('federated_protocol', made.id, () =>
            transaction.insertInto('identity_protocol').values(made).execute(),
          );
          return made;
        });
        return { status: 201, body: { protocol: show(request, row) } };
      },
    }),
    route({
      method: 'GET',
      path: member,
      policy: 'identity:get_protocol',
      handle: async (request) => ({
        body: { protocol: show(request, await theProtocol(request, db)) },
      }),
    }),
    route({
      method: 'PATCH',
      path: member,
      policy: 'identity:update_protocol',
      body: Type.Object({
        protocol: Type.Object(
          {
            mapping_id: Type.Optional(newProtocol.properties.mapping_id),
            remote_id_attribute: newProtocol.properties.remote_id_attribute,
          },
          { ...closed, minProperties: 1 },
        ),
      }),
      handle: async (request) => {
        const given = request.body.protocol;
        const row = await core.change(async (transaction) => {
          const before = await theProtocol(request, transaction);
          const after = {
            ...before,
            mapping_id: given.mapping_id ?? before.mapping_id,
            remote_id_attribute: given.remote_id_attribute ?? before.remote_id_attribute,
          };
          await transaction
            .updateTable('identity_protocol')
            .set(after)
            .where('idp_id', '=', before.idp_id)
            .where('id', '=', before.id)
            .execute();
          return after;
        });
        return { body: { protocol: show(request, row) } };
      },
    }),
    route({
      method: 'DELETE',
      path: member,
      policy: 'identity:delete_protocol',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theProtocol(request, transaction);
          await transaction
            .deleteFrom('identity_protocol')
            .where('idp_id', '=', row.idp_id)
            .where('id', '=', row.id)
            .execute();
        });
        return { status: 204 };
      },
    }),
  ];
}

function authRoutes(core: IdentityCore, logIns: FederatedLogIns): Route<IdentityCaller>[] {
  return (['GET', 'POST'] as const).map((method) =>
    route({
      method,
      path: `${base}/identity_providers/:idp_id/protocols/:protocol_id/auth`,
      // The provider's token is the proof.
      policy: 'public',
      handle: async (request) => {
        const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
        if (bearer === undefined) throw identityFailure('unauthorized');
        const { token, info } = await logIns.logIn(
          parameter(request, 'idp_id'),
          parameter(request, 'protocol_id'),
          bearer,
        );
        const view = await tokenView(core, info, true);
        return { status: 201, body: { token: view }, headers: { 'X-Subject-Token': token } };
      },
    }),
  );
}

export function federationRoutes(
  core: IdentityCore,
  logIns: FederatedLogIns,
): Route<IdentityCaller>[] {
  return [
    ...providerRoutes(core),
    ...mappingRoutes(core),
    ...protocolRoutes(core),
    ...authRoutes(core, logIns),
  ];
}
