/** Endpoints: where a service is reached, in a region, for the public or inside. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import type { EndpointRow } from '../tables.ts';
import * as fields from './fields.ts';
import { onForeignKey } from './removal.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

const findEndpoint = (db: Db, id: string): Promise<EndpointRow | undefined> =>
  db.selectFrom('identity_endpoint').selectAll().where('id', '=', id).executeTakeFirst();

function endpointView({ extra, enabled, ...row }: EndpointRow): View {
  return { ...fields.parseExtra(extra), ...row, region: row.region_id, enabled: enabled === 1 };
}

const face = Type.Union([Type.Literal('public'), Type.Literal('internal'), Type.Literal('admin')]);
const endpointFields = {
  region: Type.Optional(fields.nullable(Type.String({ maxLength: 255 }))),
  region_id: Type.Optional(fields.nullable(Type.String({ maxLength: 255 }))),
  enabled: Type.Optional(fields.flag),
};
const endpointBody = Type.Object({
  endpoint: Type.Object({
    interface: face,
    service_id: fields.id,
    url: fields.url,
    ...endpointFields,
  }),
});
const endpointPatch = Type.Object({
  endpoint: Type.Object({
    interface: Type.Optional(face),
    service_id: Type.Optional(fields.id),
    url: Type.Optional(fields.url),
    ...endpointFields,
  }),
});
const endpointKnown = ['interface', 'service_id', 'url', 'region', 'region_id', 'enabled'];

export function endpointRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const theEndpoint = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'endpoint_id');
    return found(await findEndpoint(from, id), 'endpoint', id);
  };
  const reply = (request: Request, row: EndpointRow) => ({
    endpoint: linked(request, 'endpoints', endpointView(row)),
  });
  const missing = () =>
    identityFailure('schema-invalid', {
      detail: 'The service or region of the endpoint does not exist.',
    });
  return [
    route({
      method: 'GET',
      path: '/v3/endpoints',
      policy: 'identity:list_endpoints',
      handle: async (request) => {
        const page = await readPage(request, db.selectFrom('identity_endpoint').selectAll(), {
          table: 'identity_endpoint',
          filters: { interface: 'text', service_id: 'text', region_id: 'text' },
          sortKeys: ['id', 'interface', 'service_id', 'region_id'],
          defaultSort: 'id',
          limitMax: core.settings.listMax,
        });
        const views = page.rows.map((row) => linked(request, 'endpoints', endpointView(row)));
        return listReply(request, 'endpoints', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/endpoints',
      policy: 'identity:create_endpoint',
      body: endpointBody,
      handle: async (request) => {
        const { endpoint } = request.body;
        const row: EndpointRow = {
          id: core.newId(),
          service_id: endpoint.service_id,
          interface: endpoint.interface,
          region_id: endpoint.region_id ?? endpoint.region ?? null,
          url: endpoint.url,
          enabled: endpoint.enabled === false ? 0 : 1,
          extra: JSON.stringify(fields.extraOf(endpoint, endpointKnown)),
        };
        await core.change(async (transaction) => {
          await ensureRegion(transaction, endpoint);
          await onForeignKey(missing, () =>
            transaction.insertInto('identity_endpoint').values(row).execute(),
          );
        });
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/endpoints/:endpoint_id',
      policy: 'identity:get_endpoint',
      handle: async (request) => ({ body: reply(request, await theEndpoint(request)) }),
    }),
    route({
      method: 'PATCH',
      path: '/v3/endpoints/:endpoint_id',
      policy: 'identity:update_endpoint',
      body: endpointPatch,
      handle: async (request) => {
        const { endpoint } = request.body;
        const row = await core.change(async (transaction) => {
          const before = await theEndpoint(request, transaction);
          await ensureRegion(transaction, endpoint);
          const regionId = endpoint.region_id === undefined ? endpoint.region : endpoint.region_id;
          const after: EndpointRow = {
            ...before,
            service_id: endpoint.service_id ?? before.service_id,
            interface: endpoint.interface ?? before.interface,
            region_id: regionId === undefined ? before.region_id : regionId,
            url: endpoint.url ?? before.url,
            enabled: endpoint.enabled === undefined ? before.enabled : Number(endpoint.enabled),
            extra: fields.mergeExtra(before.extra, fields.extraOf(endpoint, endpointKnown)),
          };
          await onForeignKey(missing, () =>
            transaction
              .updateTable('identity_endpoint')
              .set(after)
              .where('id', '=', before.id)
              .execute(),
          );
          return after;
        });
        return { body: reply(request, row) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/endpoints/:endpoint_id',
      policy: 'identity:delete_endpoint',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const { id } = await theEndpoint(request, transaction);
          await transaction.deleteFrom('identity_endpoint').where('id', '=', id).execute();
        });
        return { status: 204 };
      },
    }),
  ];
}

/** A region named the old way, by `region`, is made when it is not there, as upstream does. */
async function ensureRegion(
  transaction: Tx,
  endpoint: { readonly region?: string | null; readonly region_id?: string | null },
): Promise<void> {
  const { region } = endpoint;
  if (region === undefined || region === null || endpoint.region_id !== undefined) return;
  await transaction
    .insertInto('identity_region')
    .values({ id: region, description: '', parent_region_id: null, extra: '{}' })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
