/** Regions: where endpoints are, nested as operators like. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { RegionRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { onForeignKey } from '../removal.ts';
import { rowsOf } from '../rows.ts';
import { linked, type View } from '../views.ts';

export const regions = rowsOf('identity_region', 'region');

function regionView({ extra, ...row }: RegionRow): View {
  return { ...fields.parseExtra(extra), ...row };
}

const shared = {
  description: Type.Optional(fields.nullable(fields.text)),
  parent_region_id: Type.Optional(fields.nullable(Type.String({ maxLength: 255 }))),
};
const regionId = Type.String({ maxLength: 255, pattern: '^[^/?#%]*$' });
const create = Type.Object({ id: Type.Optional(regionId), ...shared });
const known = ['description', 'parent_region_id'];

export function regionRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const fresh = (given: Type.Static<typeof create>): RegionRow => ({
    // Upstream reads an empty id as none.
    id: given.id === undefined || given.id === '' ? core.newId() : given.id,
    description: given.description ?? '',
    parent_region_id: given.parent_region_id ?? null,
    extra: JSON.stringify(fields.extraOf(given, known)),
  });
  return [
    ...collectionRoutes(core, {
      rows: regions,
      plural: 'regions',
      member: 'region',
      create,
      update: fields.some({ id: Type.Optional(regionId), ...shared }),
      listing: { filters: { parent_region_id: 'text' }, sortKeys: ['id'], defaultSort: 'id' },
      view: regionView,
      fresh,
      changed: (before, given) => ({
        ...before,
        description: given.description ?? before.description,
        parent_region_id: fields.changed(given.parent_region_id, before.parent_region_id),
        extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
      }),
      check: async (row, before, transaction) => {
        const { parent_region_id: parentId } = row;
        if (parentId === null) return;
        await regions.get(transaction, parentId);
        if (before !== undefined) await refuseCircle(transaction, row.id, parentId);
      },
      removing: async (row, transaction) => {
        const why = `Unable to delete region ${row.id} because it or its child regions have associated endpoints.`;
        const limit = await transaction
          .selectFrom('identity_registered_limit')
          .select('id')
          .where('region_id', '=', row.id)
          .executeTakeFirst();
        if (limit !== undefined)
          throw identityFailure('forbidden', {
            why: `Unable to delete region ${row.id} because there are registered limits for it.`,
          });
        // Tried here, so that what still needs it can be told apart from a region that is gone.
        await onForeignKey(
          () => identityFailure('forbidden', { why }),
          () => regions.remove(transaction, row.id),
        );
      },
    }),
    route({
      method: 'PUT',
      path: '/v3/regions/:region_id',
      policy: 'identity:create_region',
      body: Type.Object({ region: create }),
      handle: async (request) => {
        const row = fresh({ ...request.body.region, id: parameter(request, 'region_id') });
        await core.change(async (transaction) => {
          if (row.parent_region_id !== null) await regions.get(transaction, row.parent_region_id);
          await regions.insert(transaction, row);
        });
        return { status: 201, body: { region: linked(request, 'regions', regionView(row)) } };
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
    at = (await regions.find(db, at))?.parent_region_id ?? null;
  }
}
