/** Regions, services and endpoints, and the catalog made of them. */
import Type from 'typebox';
import { isFailure } from '#common';
import type { Route } from '../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore } from '../core.ts';
import { identityFailure } from '../failures.ts';
import type { EndpointRow, RegionRow, ServiceRow } from '../tables.ts';
import * as fields from './fields.ts';
import { onDuplicate } from './removal.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

const findRegion = (db: Db, id: string): Promise<RegionRow | undefined> =>
  db.selectFrom('identity_region').selectAll().where('id', '=', id).executeTakeFirst();
const findService = (db: Db, id: string): Promise<ServiceRow | undefined> =>
  db.selectFrom('identity_service').selectAll().where('id', '=', id).executeTakeFirst();
const findEndpoint = (db: Db, id: string): Promise<EndpointRow | undefined> =>
  db.selectFrom('identity_endpoint').selectAll().where('id', '=', id).executeTakeFirst();

function regionView({ extra, ...row }: RegionRow): View {
  return { ...fields.parseExtra(extra), ...row };
}
function serviceView({ extra, enabled, ...row }: ServiceRow): View {
  return { ...fields.parseExtra(extra), ...row, enabled: enabled === 1 };
}
function endpointView({ extra, enabled, ...row }: EndpointRow): View {
  return { ...fields.parseExtra(extra), ...row, region: row.region_id, enabled: enabled === 1 };
}

/** The catalog of a token; endpoints that need a project are left out without one, as upstream does. */
export async function catalogFor(db: Db, projectId: string | undefined): Promise<View[]> {
  const services = await db
    .selectFrom('identity_service')
    .select(['id', 'type', 'name'])
    .where('enabled', '=', 1)
    .orderBy('type')
    .orderBy('name')
    .execute();
  const endpoints = await db
    .selectFrom('identity_endpoint')
    .selectAll()
    .where('enabled', '=', 1)
    .orderBy('interface')
    .execute();
  return services.map((service) => ({
    ...service,
    endpoints: endpoints
      .filter((endpoint) => endpoint.service_id === service.id)
      .flatMap((endpoint) => {
        const url = fillUrl(endpoint.url, projectId);
        if (url === undefined) return [];
        const { id, interface: face, region_id } = endpoint;
        return [{ id, interface: face, region_id, region: region_id, url }];
      }),
  }));
}

const placeholder = /[%$]\((?:project_id|tenant_id)\)s/g;

/** Pure: puts the project into a URL template; nothing when it needs one and there is none. */
export function fillUrl(template: string, projectId: string | undefined): string | undefined {
  if (projectId !== undefined) return template.replaceAll(placeholder, projectId);
  return template.search(placeholder) < 0 ? template : undefined;
}

const regionFields = {
  description: Type.Optional(fields.nullable(fields.text)),
  parent_region_id: Type.Optional(fields.nullable(Type.String({ maxLength: 255 }))),
};
const regionBody = Type.Object({
  region: Type.Object({
    id: Type.Optional(Type.String({ minLength: 1, maxLength: 255, pattern: '^[^/?#%]+$' })),
    ...regionFields,
  }),
});
const serviceFields = {
  name: Type.Optional(Type.String({ maxLength: 255 })),
  description: Type.Optional(fields.nullable(fields.text)),
  enabled: Type.Optional(fields.flag),
};
const type = Type.String({ minLength: 1, maxLength: 255 });
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
const regionKnown = ['id', 'description', 'parent_region_id'];
const serviceKnown = ['type', 'name', 'description', 'enabled'];
const endpointKnown = ['interface', 'service_id', 'url', 'region', 'region_id', 'enabled'];

export function catalogRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return [...regionRoutes(core), ...serviceRoutes(core), ...endpointRoutes(core)];
}

/** A thing named in a request must be there; deleting one that others need is refused. */
async function onForeignKey<T>(why: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isFailure(error) && error.code === 'foreign-key-violation')
      throw identityFailure('forbidden', { why }, error);
    throw error;
  }
}

function regionRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const theRegion = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'region_id');
    return found(await findRegion(from, id), 'region', id);
  };
  const reply = (request: Request, row: RegionRow) => ({
    region: linked(request, 'regions', regionView(row)),
  });
  return [
    route({
      method: 'GET',
      path: '/v3/regions',
      policy: 'identity:list_regions',
      handle: async (request) => {
        const page = await readPage(request, db.selectFrom('identity_region').selectAll(), {
          table: 'identity_region',
          filters: { parent_region_id: 'text' },
          sortKeys: ['id'],
          defaultSort: 'id',
          limitMax: core.settings.listMax,
        });
        const views = page.rows.map((row) => linked(request, 'regions', regionView(row)));
        return listReply(request, 'regions', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/regions',
      policy: 'identity:create_region',
      body: regionBody,
      handle: async (request) => {
        const { region } = request.body;
        const row: RegionRow = {
          id: region.id ?? core.newId(),
          description: region.description ?? '',
          parent_region_id: region.parent_region_id ?? null,
          extra: JSON.stringify(fields.extraOf(region, regionKnown)),
        };
        await core.change((transaction) =>
          onForeignKey('The parent region does not exist.', () =>
            onDuplicate('region', row.id, () =>
              transaction.insertInto('identity_region').values(row).execute(),
            ),
          ),
        );
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/regions/:region_id',
      policy: 'identity:get_region',
      handle: async (request) => ({ body: reply(request, await theRegion(request)) }),
    }),
    route({
      method: 'PATCH',
      path: '/v3/regions/:region_id',
      policy: 'identity:update_region',
      body: Type.Object({ region: Type.Object(regionFields) }),
      handle: async (request) => {
        const { region } = request.body;
        const row = await core.change(async (transaction) => {
          const before = await theRegion(request, transaction);
          const parentId =
            region.parent_region_id === undefined
              ? before.parent_region_id
              : region.parent_region_id;
          await refuseCircle(transaction, before.id, parentId);
          const after: RegionRow = {
            ...before,
            description: region.description ?? before.description,
            parent_region_id: parentId,
            extra: fields.mergeExtra(before.extra, fields.extraOf(region, regionKnown)),
          };
          await onForeignKey('The parent region does not exist.', () =>
            transaction
              .updateTable('identity_region')
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
      path: '/v3/regions/:region_id',
      policy: 'identity:delete_region',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const { id } = await theRegion(request, transaction);
          const why = `Unable to delete region ${id} because it or its child regions have associated endpoints.`;
          await onForeignKey(why, () =>
            transaction.deleteFrom('identity_region').where('id', '=', id).execute(),
          );
        });
        return { status: 204 };
      },
    }),
  ];
}

async function refuseCircle(db: Db, id: string, parentId: string | null): Promise<void> {
  let at = parentId;
  for (let depth = 0; at !== null; depth++) {
    if (at === id || depth > 32)
      throw identityFailure('schema-invalid', {
        detail: 'The specified parent region would create a circular region hierarchy.',
      });
    at = (await findRegion(db, at))?.parent_region_id ?? null;
  }
}

function serviceRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const theService = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'service_id');
    return found(await findService(from, id), 'service', id);
  };
  const reply = (request: Request, row: ServiceRow) => ({
    service: linked(request, 'services', serviceView(row)),
  });
  return [
    route({
      method: 'GET',
      path: '/v3/services',
      policy: 'identity:list_services',
      handle: async (request) => {
        const page = await readPage(request, db.selectFrom('identity_service').selectAll(), {
          table: 'identity_service',
          filters: { name: 'text', type: 'text' },
          sortKeys: ['id', 'name', 'type'],
          defaultSort: 'type',
          limitMax: core.settings.listMax,
        });
        const views = page.rows.map((row) => linked(request, 'services', serviceView(row)));
        return listReply(request, 'services', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/services',
      policy: 'identity:create_service',
      body: Type.Object({ service: Type.Object({ type, ...serviceFields }) }),
      handle: async (request) => {
        const { service } = request.body;
        const row: ServiceRow = {
          id: core.newId(),
          type: service.type,
          name: service.name ?? '',
          description: service.description ?? null,
          enabled: service.enabled === false ? 0 : 1,
          extra: JSON.stringify(fields.extraOf(service, serviceKnown)),
        };
        await core.change((transaction) =>
          transaction.insertInto('identity_service').values(row).execute(),
        );
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/services/:service_id',
      policy: 'identity:get_service',
      handle: async (request) => ({ body: reply(request, await theService(request)) }),
    }),
    route({
      method: 'PATCH',
      path: '/v3/services/:service_id',
      policy: 'identity:update_service',
      body: Type.Object({ service: Type.Object({ type: Type.Optional(type), ...serviceFields }) }),
      handle: async (request) => {
        const { service } = request.body;
        const row = await core.change(async (transaction) => {
          const before = await theService(request, transaction);
          const after: ServiceRow = {
            ...before,
            type: service.type ?? before.type,
            name: service.name ?? before.name,
            description:
              service.description === undefined ? before.description : service.description,
            enabled: service.enabled === undefined ? before.enabled : Number(service.enabled),
            extra: fields.mergeExtra(before.extra, fields.extraOf(service, serviceKnown)),
          };
          await transaction
            .updateTable('identity_service')
            .set(after)
            .where('id', '=', before.id)
            .execute();
          return after;
        });
        return { body: reply(request, row) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/services/:service_id',
      policy: 'identity:delete_service',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const { id } = await theService(request, transaction);
          await transaction.deleteFrom('identity_service').where('id', '=', id).execute();
        });
        return { status: 204 };
      },
    }),
  ];
}

function endpointRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const theEndpoint = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'endpoint_id');
    return found(await findEndpoint(from, id), 'endpoint', id);
  };
  const reply = (request: Request, row: EndpointRow) => ({
    endpoint: linked(request, 'endpoints', endpointView(row)),
  });
  const missing = 'The service or region of the endpoint does not exist.';
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
        await core.change((transaction) =>
          onForeignKey(missing, () =>
            transaction.insertInto('identity_endpoint').values(row).execute(),
          ),
        );
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
