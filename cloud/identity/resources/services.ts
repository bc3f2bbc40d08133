/** Services: what the cloud offers, each with its endpoints. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore } from '../core.ts';
import type { ServiceRow } from '../tables.ts';
import * as fields from './fields.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

const findService = (db: Db, id: string): Promise<ServiceRow | undefined> =>
  db.selectFrom('identity_service').selectAll().where('id', '=', id).executeTakeFirst();

function serviceView({ extra, enabled, ...row }: ServiceRow): View {
  return { ...fields.parseExtra(extra), ...row, enabled: enabled === 1 };
}

const serviceFields = {
  name: Type.Optional(Type.String({ maxLength: 255 })),
  description: Type.Optional(fields.nullable(fields.text)),
  enabled: Type.Optional(fields.flag),
};
const type = Type.String({ minLength: 1, maxLength: 255 });
const serviceKnown = ['type', 'name', 'description', 'enabled'];

export function serviceRoutes(core: IdentityCore): Route<IdentityCaller>[] {
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
