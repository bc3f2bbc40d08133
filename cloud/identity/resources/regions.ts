/** Regions: where endpoints are, nested as operators like. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore } from '../core.ts';
import { identityFailure, notFound } from '../failures.ts';
import type { RegionRow } from '../tables.ts';
import * as fields from './fields.ts';
import { onDuplicate, onForeignKey } from './removal.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

const findRegion = (db: Db, id: string): Promise<RegionRow | undefined> =>
  db.selectFrom('identity_region').selectAll().where('id', '=', id).executeTakeFirst();

function regionView({ extra, ...row }: RegionRow): View {
  return { ...fields.parseExtra(extra), ...row };
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
const regionKnown = ['id', 'description', 'parent_region_id'];

export function regionRoutes(core: IdentityCore): Route<IdentityCaller>[] {
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
          onForeignKey(
            () => notFound('region', row.parent_region_id ?? ''),
            () =>
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
          await onForeignKey(
            () => notFound('region', parentId ?? ''),
            () =>
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
          await onForeignKey(
            () => identityFailure('forbidden', { why }),
            () => transaction.deleteFrom('identity_region').where('id', '=', id).execute(),
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
