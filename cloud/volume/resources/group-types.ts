/** Group types and their specs. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { callerOf, flagOf, parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { Db, VolumeCore } from '../core.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { readPage } from '../listing.ts';
import type { GroupTypeRow } from '../tables.ts';
import { pageReply, type View } from '../views.ts';
import { onDuplicate, onForeignKey } from './removal.ts';

const versions = { from: '3.11' };
const path = '/group_types';
const typeFields = {
  name: fields.optional(fields.text),
  description: fields.optional(fields.text),
  is_public: Type.Optional(fields.flagOrNull),
  group_specs: fields.optional(fields.specs),
};

export async function findGroupType(db: Db, idOrName: string): Promise<GroupTypeRow | undefined> {
  const rows = await db
    .selectFrom('volume_group_type')
    .selectAll()
    .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)]))
    .execute();
  return rows.find((row) => row.id === idOrName) ?? rows[0];
}

export async function visibleGroupType(
  db: Db,
  request: Request,
  idOrName: string,
): Promise<GroupTypeRow> {
  const row = await findGroupType(db, idOrName);
  if (row === undefined || (row.is_public === 0 && !callerOf(request).isAdmin))
    throw notFound('Group type', idOrName);
  return row;
}

export function groupTypeRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const theType = (request: Request) =>
    visibleGroupType(db, request, parameter(request, 'type_id'));
  const save = (row: GroupTypeRow) =>
    onDuplicate(
      () => volumeFailure('refused-conflict', { why: `Group Type ${row.name} already exists.` }),
      () => db.updateTable('volume_group_type').set(row).where('id', '=', row.id).execute(),
    );
  const body = Type.Object(
    { group_type: Type.Object(typeFields, { additionalProperties: false }) },
    { additionalProperties: false },
  );
  return [
    ...scoped({
      method: 'GET',
      path,
      policy: 'group:group_types:get',
      versions,
      handle: async (request) => {
        const { isAdmin } = callerOf(request);
        const asked = request.query.get('is_public');
        const every = isAdmin && asked !== null && /^none$/i.test(asked);
        const wanted = isAdmin ? flagOf(every ? null : asked, 'is_public', true) : true;
        const page = await readPage(
          db,
          request,
          {
            table: 'volume_group_type',
            filters: {},
            sortKeys: { name: 'name', id: 'id', created_at: 'name' },
            defaultSort: 'name:asc',
            pageMax: core.settings.pageMax,
            owned: false,
          },
          {
            keep: async (batch) => batch.filter((row) => every || (row.is_public === 1) === wanted),
          },
        );
        return pageReply(request, 'group_types', page, (row) => typeView(request, row));
      },
    }),
    ...scoped({
      method: 'POST',
      path,
      policy: 'group:group_types:create',
      versions,
      body,
      handle: async (request) => {
        const wanted = request.body.group_type;
        const name = fields.trimmed(wanted.name) ?? '';
        if (name === '')
          throw volumeFailure('refused', { why: 'Group type name can not be empty.' });
        const row: GroupTypeRow = {
          id: core.newId(),
          name,
          description: wanted.description ?? null,
          is_public: flagOf(wanted.is_public, 'is_public', true) ? 1 : 0,
          specs_json: JSON.stringify(wanted.group_specs ?? {}),
        };
        await onDuplicate(
          () => volumeFailure('refused-conflict', { why: `Group Type ${name} already exists.` }),
          () => db.insertInto('volume_group_type').values(row).execute(),
        );
        return { status: 202, body: { group_type: typeView(request, row) } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:type_id`,
      policy: 'group:group_types:get',
      versions,
      handle: async (request) => ({
        body: { group_type: typeView(request, await theType(request)) },
      }),
    }),
    ...scoped({
      method: 'PUT',
      path: `${path}/:type_id`,
      policy: 'group:group_types:update',
      versions,
      body,
      handle: async (request) => {
        const before = await theType(request);
        const wanted = request.body.group_type;
        const after: GroupTypeRow = {
          ...before,
          name: fields.trimmed(wanted.name) || before.name,
          description: wanted.description ?? before.description,
          is_public: flagOf(wanted.is_public, 'is_public', before.is_public === 1) ? 1 : 0,
        };
        await save(after);
        return { body: { group_type: typeView(request, after) } };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${path}/:type_id`,
      policy: 'group:group_types:delete',
      versions,
      handle: async (request) => {
        const { id } = await theType(request);
        await onForeignKey(
          () => volumeFailure('refused', { why: 'Target group type is still in use.' }),
          () => db.deleteFrom('volume_group_type').where('id', '=', id).execute(),
        );
        return { status: 202 };
      },
    }),
    ...specRoutes(theType, save),
  ];
}

function specRoutes(
  theType: (request: Request) => Promise<GroupTypeRow>,
  save: (row: GroupTypeRow) => Promise<unknown>,
): Route<VolumeCaller>[] {
  const specsPath = `${path}/:type_id/group_specs`;
  const merge = async (request: Request, specs: Record<string, string | null>) => {
    const row = await theType(request);
    const merged = { ...fields.parseMap(row.specs_json), ...specs };
    await save({ ...row, specs_json: JSON.stringify(merged) });
  };
  const missing = (request: Request) => notFound('Group type spec', parameter(request, 'key'));
  return [
    ...scoped({
      method: 'GET',
      path: specsPath,
      policy: 'group:group_types_specs:get',
      versions,
      handle: async (request) => ({
        body: { group_specs: fields.parseMap((await theType(request)).specs_json) },
      }),
    }),
    ...scoped({
      method: 'POST',
      path: specsPath,
      policy: 'group:group_types_specs:create',
      versions,
      body: Type.Object({ group_specs: fields.specs }, { additionalProperties: false }),
      handle: async (request) => {
        await merge(request, request.body.group_specs);
        return { status: 202, body: request.body };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${specsPath}/:key`,
      policy: 'group:group_types_specs:get',
      versions,
      handle: async (request) => {
        const key = parameter(request, 'key');
        const specs = fields.parseMap((await theType(request)).specs_json);
        if (!Object.hasOwn(specs, key)) throw missing(request);
        return { body: { [key]: specs[key] } };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: `${specsPath}/:key`,
      policy: 'group:group_types_specs:update',
      versions,
      body: fields.specs,
      handle: async (request) => {
        const names = Object.keys(request.body);
        if (names.length !== 1 || names[0] !== parameter(request, 'key'))
          throw volumeFailure('refused', { why: 'Request body and URI mismatch' });
        await merge(request, request.body);
        return { body: request.body };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${specsPath}/:key`,
      policy: 'group:group_types_specs:delete',
      versions,
      handle: async (request) => {
        const row = await theType(request);
        const key = parameter(request, 'key');
        const specs = fields.parseMap(row.specs_json);
        if (!Object.hasOwn(specs, key)) throw missing(request);
        delete specs[key];
        await save({ ...row, specs_json: JSON.stringify(specs) });
        return { status: 202 };
      },
    }),
  ];
}

function typeView(request: Request, row: GroupTypeRow): View {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    is_public: row.is_public === 1,
    ...(request.may('group:access_group_types_specs')
      ? { group_specs: fields.parseMap(row.specs_json) }
      : {}),
  };
}
