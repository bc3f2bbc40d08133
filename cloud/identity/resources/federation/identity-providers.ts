/** Identity providers (OS-FEDERATION): who may vouch for users, by which issuers, in which domain. */
import { sql } from 'kysely';
import Type, { type Static } from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { IdentityCore, Tx } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { ProviderRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { domains, insertDomain } from '../projects/domains.ts';
import { rowsOf } from '../rows.ts';
import { linked, type View } from '../views.ts';

export const providers = rowsOf('identity_provider', 'identity provider');
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

export function providerRoutes(core: IdentityCore): Route<IdentityCaller>[] {
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
