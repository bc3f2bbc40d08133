/** Service providers (OS-FEDERATION): other clouds that take this one's users. Listed in tokens, for clients to find. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import type { ServiceProviderRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { rowsOf } from '../rows.ts';
import { linked, type View } from '../views.ts';

const rows = rowsOf('identity_service_provider', 'service provider');

export async function enabledServiceProviders(db: Db): Promise<View[]> {
  const found = await db
    .selectFrom('identity_service_provider')
    .select(['id', 'auth_url', 'sp_url'])
    .where('enabled', '=', 1)
    .orderBy('id')
    .execute();
  return found;
}

const shared = {
  description: Type.Optional(fields.nullable(fields.text)),
  enabled: Type.Optional(fields.flag),
  relay_state_prefix: Type.Optional(fields.nullable(Type.String({ maxLength: 255 }))),
};
const create = Type.Object(
  { ...shared, auth_url: fields.url, sp_url: fields.url },
  { additionalProperties: false },
);
const view = (row: ServiceProviderRow): View => ({ ...row, enabled: row.enabled === 1 });

export function serviceProviderRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const fresh = (given: Type.Static<typeof create>, id: string): ServiceProviderRow => ({
    id,
    auth_url: given.auth_url,
    sp_url: given.sp_url,
    description: given.description ?? null,
    relay_state_prefix: given.relay_state_prefix ?? 'ss:mem:',
    enabled: given.enabled === true ? 1 : 0,
  });
  return [
    ...collectionRoutes(core, {
      rows,
      plural: 'service_providers',
      member: 'service_provider',
      prefix: '/OS-FEDERATION',
      idName: 'sp_id',
      verbs: ['list', 'get', 'update', 'delete'],
      create,
      update: Type.Object(
        {
          ...shared,
          auth_url: Type.Optional(fields.url),
          sp_url: Type.Optional(fields.url),
        },
        { additionalProperties: false, minProperties: 1 },
      ),
      listing: {
        filters: { id: 'text', enabled: 'flag' },
        sortKeys: ['id'],
        defaultSort: 'id',
      },
      view,
      fresh: (given) => fresh(given, core.newId()),
      changed: (before, given) => ({
        ...before,
        auth_url: given.auth_url ?? before.auth_url,
        sp_url: given.sp_url ?? before.sp_url,
        description: fields.changed(given.description, before.description),
        relay_state_prefix: given.relay_state_prefix ?? before.relay_state_prefix,
        enabled: fields.changedFlag(given.enabled, before.enabled),
      }),
    }),
    route({
      method: 'PUT',
      path: '/v3/OS-FEDERATION/service_providers/:sp_id',
      policy: 'identity:create_service_provider',
      body: Type.Object({ service_provider: create }),
      handle: async (request: Request<{ service_provider: Type.Static<typeof create> }>) => {
        const row = fresh(request.body.service_provider, parameter(request, 'sp_id'));
        await core.change((transaction) => rows.insert(transaction, row));
        const shown = linked(request, 'OS-FEDERATION/service_providers', view(row));
        return { status: 201, body: { service_provider: shown } };
      },
    }),
  ];
}
