/** Volume types: what kinds of volume there are, and who may use them. */
import { sql } from 'kysely';
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import {
  callerOf,
  flagOf,
  parameter,
  projectOf,
  type Request,
  scoped,
  type VolumeCaller,
} from '../caller.ts';
import type { Db, VolumeCore } from '../core.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { readPage } from '../listing.ts';
import { refuseBadSpecs, visibleSpecs } from '../specs.ts';
import type { TypeRow } from '../tables.ts';
import { pageReply, type View } from '../views.ts';
import { onDuplicate } from './removal.ts';

const accessKey = 'os-volume-type-access:is_public';

export async function findType(db: Db, idOrName: string): Promise<TypeRow | undefined> {
  const rows = await db
    .selectFrom('volume_type')
    .selectAll()
    .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)]))
    .execute();
  return rows.find((row) => row.id === idOrName) ?? rows[0];
}

/** The type, if this caller may know of it: public, or granted to the caller's project, or everything for administrators. */
export async function visibleType(db: Db, request: Request, idOrName: string): Promise<TypeRow> {
  const row = await findType(db, idOrName);
  if (row === undefined || !(await mayUse(db, request, row)))
    throw notFound('Volume type', idOrName);
  return row;
}

async function mayUse(db: Db, request: Request, type: TypeRow): Promise<boolean> {
  const caller = callerOf(request);
  if (type.is_public === 1 || caller.isAdmin) return true;
  const access = await db
    .selectFrom('volume_type_access')
    .select('type_id')
    .where('type_id', '=', type.id)
    .where('project_id', '=', caller.projectId ?? '')
    .executeTakeFirst();
  return access !== undefined;
}

/** The type of a volume for which none was asked: the project's default, else the cloud's. */
export async function defaultType(core: VolumeCore, projectId: string): Promise<TypeRow> {
  const row = await core.db
    .selectFrom('volume_type')
    .innerJoin('volume_default_type', 'volume_default_type.type_id', 'volume_type.id')
    .selectAll('volume_type')
    .where('volume_default_type.project_id', '=', projectId)
    .executeTakeFirst();
  const found = row ?? (await findType(core.db, core.settings.defaultType));
  if (found === undefined) throw notFound('Default volume type', core.settings.defaultType);
  return found;
}

export function typeView(request: Request, row: TypeRow): View {
  const specs = fields.parseMap(row.specs_json);
  const sensitive = request.may('volume_extension:types_extra_specs:read_sensitive');
  const seen = Object.entries(specs).filter(([name]) => sensitive || visibleSpecs.includes(name));
  return {
    id: row.id,
    name: row.name,
    is_public: row.is_public === 1,
    [accessKey]: row.is_public === 1,
    description: row.description,
    extra_specs: Object.fromEntries(seen),
    ...(request.may('volume_extension:access_types_qos_specs_id')
      ? { qos_specs_id: row.qos_id }
      : {}),
  };
}

const typeBody = Type.Object(
  {
    volume_type: Type.Object(
      {
        name: fields.requiredName,
        description: fields.optional(fields.text),
        extra_specs: fields.optional(fields.specs),
        [accessKey]: Type.Optional(fields.flag),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

export function typeRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  return [
    ...scoped({
      method: 'GET',
      path: '/types',
      policy: 'volume_extension:type_get_all',
      handle: async (request) => {
        const page = await readPage(
          db,
          request,
          {
            table: 'volume_type',
            filters: {},
            sortKeys: { created_at: 'created_at_us', id: 'id', name: 'name' },
            defaultSort: 'created_at',
            pageMax: core.settings.pageMax,
            owned: false,
          },
          { where: [visibility(request)], keep: async (batch) => batch.filter(hasSpecs(request)) },
        );
        return pageReply(request, 'volume_types', page, (row) => typeView(request, row));
      },
    }),
    ...scoped({
      method: 'POST',
      path: '/types',
      policy: 'volume_extension:type_create',
      body: typeBody,
      handle: async (request) => {
        const wanted = request.body.volume_type;
        refuseBadSpecs(wanted.extra_specs ?? {});
        const now = core.clock.nowUs();
        const row: TypeRow = {
          id: core.newId(),
          name: wanted.name.trim(),
          description: wanted.description ?? null,
          is_public: flagOf(wanted[accessKey], accessKey, true) ? 1 : 0,
          specs_json: JSON.stringify(wanted.extra_specs ?? {}),
          qos_id: null,
          encryption_json: null,
          created_at_us: now,
          updated_at_us: now,
        };
        await onDuplicate(
          () =>
            volumeFailure('refused-conflict', { why: `Volume Type ${row.name} already exists.` }),
          () => db.insertInto('volume_type').values(row).execute(),
        );
        const { qos_specs_id: _none, ...view } = typeView(request, row);
        return { body: { volume_type: view } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/types/:type_id',
      policy: 'volume_extension:type_get',
      handle: async (request) => {
        const id = parameter(request, 'type_id');
        const row =
          id === 'default'
            ? await defaultType(core, projectOf(request))
            : await visibleType(db, request, id);
        return { body: { volume_type: typeView(request, row) } };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: '/types/:type_id',
      policy: 'volume_extension:type_update',
      body: Type.Object(
        {
          volume_type: Type.Object(
            {
              name: fields.optional(fields.text),
              description: fields.optional(fields.text),
              is_public: Type.Optional(fields.flagOrNull),
            },
            { additionalProperties: false },
          ),
        },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const wanted = request.body.volume_type;
        const before = await visibleType(db, request, parameter(request, 'type_id'));
        if (wanted.name !== undefined && wanted.name !== null && wanted.name.trim() === '')
          throw volumeFailure('refused', { why: 'Volume type name can not be empty.' });
        if ((wanted.name ?? wanted.description ?? wanted.is_public ?? null) === null)
          throw volumeFailure('refused', {
            why: 'Specify volume type name, description, is_public or a combination thereof.',
          });
        const after: TypeRow = {
          ...before,
          name: wanted.name?.trim() ?? before.name,
          description: wanted.description ?? before.description,
          is_public: flagOf(wanted.is_public, 'is_public', before.is_public === 1) ? 1 : 0,
          updated_at_us: core.clock.nowUs(),
        };
        await onDuplicate(
          () =>
            volumeFailure('refused-conflict', { why: `Volume Type ${after.name} already exists.` }),
          () => db.updateTable('volume_type').set(after).where('id', '=', before.id).execute(),
        );
        const { qos_specs_id: _kept, [accessKey]: _also, ...view } = typeView(request, after);
        return { body: { volume_type: view } };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: '/types/:type_id',
      policy: 'volume_extension:type_delete',
      handle: async (request) => {
        const row = await visibleType(db, request, parameter(request, 'type_id'));
        await core.change(async (transaction) => {
          if (row.name === core.settings.defaultType)
            throw volumeFailure('refused', {
              why: `Default volume type ${row.id} cannot be deleted.`,
            });
          const inUse = await transaction
            .selectFrom('volume')
            .select('id')
            .where('type_id', '=', row.id)
            .executeTakeFirst();
          const isDefault = await transaction
            .selectFrom('volume_default_type')
            .select('type_id')
            .where('type_id', '=', row.id)
            .executeTakeFirst();
          if (inUse !== undefined || isDefault !== undefined)
            throw volumeFailure('refused', {
              why: 'Target volume type is still in use.',
            });
          await transaction.deleteFrom('volume_type').where('id', '=', row.id).execute();
        });
        return { status: 202 };
      },
    }),
  ];
}

/** Administrators see public types unless they ask for others; everybody else what is public or granted. */
function visibility(request: Request) {
  const caller = callerOf(request);
  const asked = request.query.get('is_public');
  if (caller.isAdmin) {
    if (asked !== null && /^none$/i.test(asked)) return sql<boolean>`1 = 1`;
    return sql<boolean>`is_public = ${flagOf(asked, 'is_public', true) ? 1 : 0}`;
  }
  return sql<boolean>`(is_public = 1 or id in (select type_id from volume_type_access where project_id = ${caller.projectId ?? ''}))`;
}

/** `extra_specs={'multiattach': '<is> True'}`, since 3.52. */
function hasSpecs(request: Request): (row: TypeRow) => boolean {
  const asked = request.query.get('extra_specs');
  if (asked === null) return () => true;
  const wanted = fields.parseDictionary(asked);
  const sensitive = request.may('volume_extension:types_extra_specs:read_sensitive');
  return (row) => {
    const specs = fields.parseMap(row.specs_json);
    return Object.entries(wanted).every(
      ([name, value]) => (sensitive || visibleSpecs.includes(name)) && specs[name] === value,
    );
  };
}
