/** Extra specs of volume types. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { isTrue, refuseBadSpecs, visibleSpecs } from '../specs.ts';
import type { TypeRow } from '../tables.ts';
import { visibleType } from './types.ts';

const path = '/types/:type_id/extra_specs';
const specsBody = Type.Object({ extra_specs: fields.specs }, { additionalProperties: false });

export function typeSpecRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const theType = (request: Request) => visibleType(db, request, parameter(request, 'type_id'));
  const seen = (request: Request, row: TypeRow) => {
    const specs = Object.entries(fields.parseMap(row.specs_json));
    const all = request.may('volume_extension:types_extra_specs:read_sensitive');
    return Object.fromEntries(specs.filter(([name]) => all || visibleSpecs.includes(name)));
  };
  const write = async (row: TypeRow, specs: Record<string, string | null>) => {
    await refuseInUse(core, row);
    refuseBadSpecs(specs);
    const merged = { ...fields.parseMap(row.specs_json), ...specs };
    if (isTrue(merged.multiattach ?? undefined) && isTrue(merged.cacheable ?? undefined))
      throw volumeFailure('refused', { why: 'cacheable cannot be set with multiattach.' });
    await save(core, row, merged);
  };
  return [
    ...scoped({
      method: 'GET',
      path,
      policy: 'volume_extension:types_extra_specs:index',
      handle: async (request) => ({
        body: { extra_specs: seen(request, await theType(request)) },
      }),
    }),
    ...scoped({
      method: 'POST',
      path,
      policy: 'volume_extension:types_extra_specs:create',
      body: specsBody,
      handle: async (request) => {
        await write(await theType(request), request.body.extra_specs);
        return { body: request.body };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:key`,
      policy: 'volume_extension:types_extra_specs:show',
      handle: async (request) => {
        const key = parameter(request, 'key');
        const specs = seen(request, await theType(request));
        if (!Object.hasOwn(specs, key)) throw missingSpec(request);
        return { body: { [key]: specs[key] } };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: `${path}/:key`,
      policy: 'volume_extension:types_extra_specs:update',
      body: fields.specs,
      handle: async (request) => {
        const key = parameter(request, 'key');
        const names = Object.keys(request.body);
        if (names.length !== 1)
          throw volumeFailure('refused', { why: 'Request body contains too many items' });
        if (names[0] !== key)
          throw volumeFailure('refused', { why: 'Request body and URI mismatch' });
        await write(await theType(request), request.body);
        return { body: request.body };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${path}/:key`,
      policy: 'volume_extension:types_extra_specs:delete',
      handle: async (request) => {
        const key = parameter(request, 'key');
        const row = await theType(request);
        const specs = fields.parseMap(row.specs_json);
        if (!Object.hasOwn(specs, key)) throw missingSpec(request);
        await refuseInUse(core, row);
        await save(
          core,
          row,
          Object.fromEntries(Object.entries(specs).filter(([name]) => name !== key)),
        );
        return { status: 202 };
      },
    }),
  ];
}

const missingSpec = (request: Request) =>
  volumeFailure('no-such-key', {
    what: `Volume Type ${parameter(request, 'type_id')}`,
    items: 'extra specs',
    key: parameter(request, 'key'),
  });

/** What volumes were promised when they were made does not change under them. */
async function refuseInUse(core: VolumeCore, row: TypeRow): Promise<void> {
  const used = await core.db
    .selectFrom('volume')
    .select('id')
    .where('type_id', '=', row.id)
    .executeTakeFirst();
  if (used !== undefined)
    throw volumeFailure('refused', { why: 'Volume Type is currently in use.' });
}

async function save(core: VolumeCore, row: TypeRow, specs: object): Promise<void> {
  await core.db
    .updateTable('volume_type')
    .set({ specs_json: JSON.stringify(specs), updated_at_us: core.clock.nowUs() })
    .where('id', '=', row.id)
    .execute();
}
