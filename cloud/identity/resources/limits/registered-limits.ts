/** Registered limits: what everybody may have of a resource, unless a limit says otherwise. */
import Type, { type Static } from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { RegisteredLimitRow } from '../../tables.ts';
import { regions } from '../catalog/regions.ts';
import { services } from '../catalog/services.ts';
import { refuseOtherId } from '../collection.ts';
import * as fields from '../fields.ts';
import { rowsOf } from '../rows.ts';
import { linked, listReply, readPage, type View } from '../views.ts';
import { limitValue, resourceName } from './limits.ts';

const rows = rowsOf('identity_registered_limit', 'registered limit');

const shared = {
  region_id: Type.Optional(fields.nullable(Type.String({ maxLength: 255 }))),
  description: Type.Optional(fields.nullable(fields.text)),
};
const newOne = Type.Object(
  { ...shared, service_id: fields.id, resource_name: resourceName, default_limit: limitValue },
  { additionalProperties: false },
);
const change = Type.Object(
  {
    ...shared,
    id: Type.Optional(fields.id),
    service_id: Type.Optional(fields.id),
    resource_name: Type.Optional(resourceName),
    default_limit: Type.Optional(limitValue),
  },
  { additionalProperties: false },
);

const view = (row: RegisteredLimitRow): View => ({
  ...row,
  region_id: row.region_id === '' ? null : row.region_id,
});

export function registeredLimitRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const path = '/v3/registered_limits';
  const show = (request: Request, row: RegisteredLimitRow) =>
    linked(request, 'registered_limits', view(row));
  const theRow = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'registered_limit_id');
    const row = await rows.find(from, id);
    if (row === undefined) throw identityFailure('limit-missing', { what: 'registered limit', id });
    return row;
  };
  return [
    route({
      method: 'GET',
      path,
      policy: 'identity:list_registered_limits',
      handle: async (request) => {
        const page = await readPage<RegisteredLimitRow>(request, db, {
          table: rows.table,
          filters: { service_id: 'text', region_id: 'text', resource_name: 'text' },
          sortKeys: ['id', 'resource_name', 'service_id'],
          defaultSort: 'id',
          limitMax: core.settings.listMax,
        });
        const views = page.rows.map((row) => show(request, row));
        return listReply(request, 'registered_limits', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path,
      policy: 'identity:create_registered_limits',
      body: Type.Object({
        registered_limits: Type.Array(newOne, { minItems: 1, maxItems: 1000 }),
      }),
      handle: async (request) => {
        const made = request.body.registered_limits.map((given) => rowFrom(core, given));
        await core.change(async (transaction) => {
          for (const row of made) {
            await refuseUnknownPlace(row, transaction);
            await rows.insert(transaction, row, row.resource_name);
          }
        });
        const views = made.map((row) => show(request, row));
        return { status: 201, body: { registered_limits: views } };
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:registered_limit_id`,
      policy: 'identity:get_registered_limit',
      handle: async (request) => ({
        body: { registered_limit: show(request, await theRow(request)) },
      }),
    }),
    route({
      method: 'PATCH',
      path: `${path}/:registered_limit_id`,
      policy: 'identity:update_registered_limit',
      body: Type.Object({ registered_limit: change }),
      handle: async (request) => {
        const given = request.body.registered_limit;
        const row = await core.change(async (transaction) => {
          const before = await theRow(request, transaction);
          refuseOtherId(given, before.id);
          await refuseUsed(before, transaction);
          const after = {
            ...before,
            service_id: given.service_id ?? before.service_id,
            region_id: given.region_id === undefined ? before.region_id : (given.region_id ?? ''),
            resource_name: given.resource_name ?? before.resource_name,
            default_limit: given.default_limit ?? before.default_limit,
            description: fields.changed(given.description, before.description),
          };
          await refuseUnknownPlace(after, transaction);
          await rows.update(transaction, after, after.resource_name);
          return after;
        });
        return { body: { registered_limit: show(request, row) } };
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/:registered_limit_id`,
      policy: 'identity:delete_registered_limit',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theRow(request, transaction);
          await refuseUsed(row, transaction);
          await rows.remove(transaction, row.id);
        });
        return { status: 204 };
      },
    }),
  ];
}

const rowFrom = (core: IdentityCore, given: Static<typeof newOne>): RegisteredLimitRow => ({
  id: core.newId(),
  service_id: given.service_id,
  region_id: given.region_id ?? '',
  resource_name: given.resource_name,
  description: given.description ?? null,
  default_limit: given.default_limit,
});

async function refuseUnknownPlace(row: RegisteredLimitRow, db: Db): Promise<void> {
  const refuse = (attribute: string) =>
    identityFailure('schema-invalid', {
      detail: `Expecting to find valid ${attribute} in registered_limit.`,
    });
  if ((await services.find(db, row.service_id)) === undefined) throw refuse('service_id');
  if (row.region_id !== '' && (await regions.find(db, row.region_id)) === undefined)
    throw refuse('region_id');
}

async function refuseUsed(row: RegisteredLimitRow, db: Db): Promise<void> {
  const limit = await db
    .selectFrom('identity_limit')
    .select('id')
    .where('registered_limit_id', '=', row.id)
    .executeTakeFirst();
  if (limit !== undefined)
    throw identityFailure('forbidden', {
      why: `Unable to update or delete registered limit ${row.id} because there are project limits associated with it.`,
    });
}
