/** Flavors: sizes of servers, their extra specs, and who may use those that are not public. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import {
  type ComputeCaller,
  callerOf,
  compute,
  flagOf,
  parameter,
  type Request,
} from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import type { FlavorRow } from '../tables.ts';
import { linksOf, type View } from './server-views.ts';

export const defaultFlavors: readonly (readonly [
  id: string,
  name: string,
  memoryMib: number,
  vcpus: number,
  diskGib: number,
])[] = [
  ['1', 'm1.tiny', 512, 1, 1],
  ['2', 'm1.small', 2048, 1, 20],
  ['3', 'm1.medium', 4096, 2, 40],
  ['4', 'm1.large', 8192, 4, 80],
  ['5', 'm1.xlarge', 16_384, 8, 160],
];

/** Made when there has never been a flavor. */
export async function ensureFlavors(core: ComputeCore): Promise<void> {
  const any = await core.db.selectFrom('compute_flavor').select('id').executeTakeFirst();
  if (any !== undefined) return;
  const created_at_us = core.clock.nowUs();
  await core.db
    .insertInto('compute_flavor')
    .values(
      defaultFlavors.map(([id, name, memory_mib, vcpus, disk_gib]) => ({
        ...{ id, name, memory_mib, vcpus, disk_gib, created_at_us },
        ephemeral_gib: 0,
        swap_mib: 0,
        rxtx_factor: '1.0',
        is_public: 1,
        is_disabled: 0,
        description: null,
        specs_json: '{}',
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function findFlavor(
  core: ComputeCore,
  request: Request,
  ref: string,
): Promise<FlavorRow> {
  const id = ref.split('/').at(-1) ?? ref;
  const row = await core.db
    .selectFrom('compute_flavor')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  if (row !== undefined && (await mayUse(core, request, row))) return row;
  throw computeFailure('missing', { why: `Flavor ${id.slice(0, 64)} could not be found.` });
}

async function mayUse(core: ComputeCore, request: Request, row: FlavorRow): Promise<boolean> {
  const caller = callerOf(request);
  if (row.is_public === 1 || caller.isAdmin) return true;
  const access = await core.db
    .selectFrom('compute_flavor_access')
    .select('flavor_id')
    .where('flavor_id', '=', row.id)
    .where('project_id', '=', caller.projectId ?? '')
    .executeTakeFirst();
  return access !== undefined;
}

const createBody = fields.object({
  flavor: fields.object({
    name: fields.name,
    id: fields.optional(
      Type.Union([Type.String({ maxLength: 255, pattern: '^[a-zA-Z0-9. _-]*$' }), Type.Integer()]),
    ),
    ram: fields.count(1),
    vcpus: fields.count(1),
    disk: fields.count(0),
    'OS-FLV-EXT-DATA:ephemeral': Type.Optional(fields.count(0)),
    swap: Type.Optional(fields.count(0)),
    rxtx_factor: Type.Optional(
      Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: '^[0-9]+(\\.[0-9]+)?$' })]),
    ),
    'os-flavor-access:is_public': Type.Optional(fields.flag),
    description: fields.optional(Type.String({ maxLength: 65_535 })),
  }),
});
const specsBody = fields.object({
  extra_specs: Type.Record(
    Type.String({ pattern: '^[a-zA-Z0-9-_:. ]{1,255}$' }),
    Type.Union([Type.String({ maxLength: 255 }), Type.Number()]),
    { additionalProperties: false },
  ),
});

export function flavorView(request: Request, row: FlavorRow): View {
  const { minor } = request;
  return {
    id: row.id,
    name: row.name,
    ram: row.memory_mib,
    disk: row.disk_gib,
    swap: row.swap_mib === 0 && minor < 75 ? '' : row.swap_mib,
    'OS-FLV-EXT-DATA:ephemeral': row.ephemeral_gib,
    'OS-FLV-DISABLED:disabled': row.is_disabled === 1,
    vcpus: row.vcpus,
    'os-flavor-access:is_public': row.is_public === 1,
    rxtx_factor: Number(row.rxtx_factor),
    links: linksOf(request, 'flavors', row.id),
    ...(minor >= 55 ? { description: row.description } : {}),
    ...(minor >= 61 ? { extra_specs: JSON.parse(row.specs_json) as object } : {}),
  };
}

export function flavorRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const theFlavor = (request: Request) =>
    findFlavor(core, request, parameter(request, 'flavor_id'));
  const list = (view: (request: Request, row: FlavorRow) => View) => async (request: Request) => {
    const { rows, next } = await listFlavors(core, request);
    const path = request.url.split('?', 1)[0] ?? '';
    return {
      body: {
        flavors: rows.map((row) => view(request, row)),
        ...(next === undefined
          ? {}
          : { flavors_links: [{ rel: 'next', href: `${request.baseUrl}${path}${next}` }] }),
      },
    };
  };
  return [
    compute({
      method: 'GET',
      path: '/flavors',
      policy: 'os_compute_api:flavors',
      handle: list((request, row) => ({
        id: row.id,
        name: row.name,
        links: linksOf(request, 'flavors', row.id),
        ...(request.minor >= 55 ? { description: row.description } : {}),
      })),
    }),
    compute({
      method: 'GET',
      path: '/flavors/detail',
      policy: 'os_compute_api:flavors',
      handle: list(flavorView),
    }),
    compute({
      method: 'GET',
      path: '/flavors/:flavor_id',
      policy: 'os_compute_api:flavors',
      handle: async (request) => ({
        body: { flavor: flavorView(request, await theFlavor(request)) },
      }),
    }),
    compute({
      method: 'POST',
      path: '/flavors',
      policy: 'os_compute_api:os-flavor-manage:create',
      body: createBody,
      handle: async (request) => ({
        body: { flavor: flavorView(request, await createFlavor(core, request.body.flavor)) },
      }),
    }),
    compute({
      method: 'PUT',
      path: '/flavors/:flavor_id',
      policy: 'os_compute_api:os-flavor-manage:update',
      versions: { from: '2.55' },
      body: fields.object({
        flavor: fields.object({ description: fields.nullable(Type.String({ maxLength: 65_535 })) }),
      }),
      handle: async (request) => {
        const row = await theFlavor(request);
        const { description } = request.body.flavor;
        await core.db
          .updateTable('compute_flavor')
          .set({ description })
          .where('id', '=', row.id)
          .execute();
        return { body: { flavor: flavorView(request, { ...row, description }) } };
      },
    }),
    compute({
      method: 'DELETE',
      path: '/flavors/:flavor_id',
      policy: 'os_compute_api:os-flavor-manage:delete',
      handle: async (request) => {
        const { id } = await theFlavor(request);
        await core.change(async (transaction) => {
          await transaction
            .deleteFrom('compute_flavor_access')
            .where('flavor_id', '=', id)
            .execute();
          await transaction.deleteFrom('compute_flavor').where('id', '=', id).execute();
        });
        return { status: 202 };
      },
    }),
    ...specRoutes(core, theFlavor),
    ...accessRoutes(core, theFlavor),
  ];
}

async function createFlavor(
  core: ComputeCore,
  wanted: Record<string, unknown>,
): Promise<FlavorRow> {
  const asked = wanted.id;
  const id =
    asked === undefined || asked === null || asked === 'auto' || asked === ''
      ? core.newId()
      : String(asked).trim();
  const row: FlavorRow = {
    id,
    name: String(wanted.name).trim(),
    memory_mib: Number(wanted.ram),
    vcpus: Number(wanted.vcpus),
    disk_gib: Number(wanted.disk),
    ephemeral_gib: Number(wanted['OS-FLV-EXT-DATA:ephemeral'] ?? 0),
    swap_mib: Number(wanted.swap ?? 0),
    rxtx_factor: String(wanted.rxtx_factor ?? '1.0'),
    is_public: flagOf(wanted['os-flavor-access:is_public'], 'is_public', true) ? 1 : 0,
    is_disabled: 0,
    description: (wanted.description as string | null | undefined) ?? null,
    specs_json: '{}',
    created_at_us: core.clock.nowUs(),
  };
  const made = await core.db
    .insertInto('compute_flavor')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (made.numInsertedOrUpdatedRows !== 1n) {
    const same = await core.db
      .selectFrom('compute_flavor')
      .select('id')
      .where('id', '=', id)
      .executeTakeFirst();
    throw computeFailure('refused-conflict', {
      why:
        same === undefined
          ? `Flavor with name ${row.name} already exists.`
          : `Flavor with ID ${id} already exists.`,
    });
  }
  return row;
}

async function listFlavors(core: ComputeCore, request: Request) {
  const { query } = request;
  const caller = callerOf(request);
  let select = core.db.selectFrom('compute_flavor').selectAll();
  const isPublic = query.get('is_public');
  if (!caller.isAdmin || isPublic === null) {
    const allowed = core.db
      .selectFrom('compute_flavor_access')
      .select('flavor_id')
      .where('project_id', '=', caller.projectId ?? '');
    select = select.where((where) =>
      where.or([where('is_public', '=', 1), where('id', 'in', allowed)]),
    );
  } else if (isPublic.toLowerCase() !== 'none')
    select = select.where('is_public', '=', flagOf(isPublic, 'is_public') ? 1 : 0);
  for (const [name, column] of [
    ['minRam', 'memory_mib'],
    ['minDisk', 'disk_gib'],
  ] as const) {
    const least = query.get(name);
    if (least === null) continue;
    if (!/^\d{1,9}$/.test(least)) throw refused(`Invalid ${name} filter [${least.slice(0, 32)}]`);
    select = select.where(column, '>=', Number(least));
  }
  const rows = await sorted(select, query).execute();
  const marker = query.get('marker');
  const start = marker === null ? 0 : rows.findIndex(({ id }) => id === marker) + 1;
  if (marker !== null && start === 0) throw refused(`marker [${marker.slice(0, 64)}] not found`);
  const asked = query.get('limit');
  if (asked !== null && !/^\d{1,9}$/.test(asked)) throw refused('limit must be a whole number');
  const limit = Math.min(Number(asked ?? 0) || core.settings.pageMax, core.settings.pageMax);
  const page = rows.slice(start, start + limit);
  const last = page.at(-1);
  if (start + limit >= rows.length || last === undefined) return { rows: page, next: undefined };
  const following = new URLSearchParams(query);
  following.set('marker', last.id);
  return { rows: page, next: `?${following}` };
}

function sorted<Q extends { orderBy(column: 'id', direction: 'asc' | 'desc'): Q }>(
  select: Q,
  query: URLSearchParams,
): Q {
  const keys: Readonly<Record<string, string>> = {
    flavorid: 'id',
    id: 'id',
    name: 'name',
    memory_mb: 'memory_mib',
    vcpus: 'vcpus',
    root_gb: 'disk_gib',
    ephemeral_gb: 'ephemeral_gib',
    swap: 'swap_mib',
    created_at: 'created_at_us',
    rxtx_factor: 'rxtx_factor',
    is_public: 'is_public',
    disabled: 'is_disabled',
    description: 'description',
  };
  const key = query.get('sort_key') ?? 'flavorid';
  const column = Object.hasOwn(keys, key) ? keys[key] : undefined;
  if (column === undefined) throw refused(`Sort key ${key.slice(0, 64)} is not valid`);
  const direction = query.get('sort_dir') === 'desc' ? 'desc' : 'asc';
  return select.orderBy(column as 'id', direction).orderBy('id', direction);
}

type TheFlavor = (request: Request) => Promise<FlavorRow>;

function specRoutes(core: ComputeCore, theFlavor: TheFlavor): Route<ComputeCaller>[] {
  const path = '/flavors/:flavor_id/os-extra_specs';
  const specsOf = (row: FlavorRow) => JSON.parse(row.specs_json) as Record<string, string>;
  const write = (row: FlavorRow, specs: Record<string, string>) =>
    core.db
      .updateTable('compute_flavor')
      .set({ specs_json: JSON.stringify(specs) })
      .where('id', '=', row.id)
      .execute();
  const missing = (row: FlavorRow, key: string) =>
    computeFailure('missing', { why: `Flavor ${row.id} has no extra specs with key ${key}.` });
  return [
    compute({
      method: 'GET',
      path,
      policy: 'os_compute_api:os-flavor-extra-specs:index',
      handle: async (request) => ({ body: { extra_specs: specsOf(await theFlavor(request)) } }),
    }),
    compute({
      method: 'POST',
      path,
      policy: 'os_compute_api:os-flavor-extra-specs:create',
      body: specsBody,
      handle: async (request) => {
        const row = await theFlavor(request);
        const added = Object.fromEntries(
          Object.entries(request.body.extra_specs).map(([key, value]) => [key, String(value)]),
        );
        await write(row, { ...specsOf(row), ...added });
        return { body: { extra_specs: added } };
      },
    }),
    compute({
      method: 'GET',
      path: `${path}/:key`,
      policy: 'os_compute_api:os-flavor-extra-specs:show',
      handle: async (request) => {
        const row = await theFlavor(request);
        const key = parameter(request, 'key');
        const value = specsOf(row)[key];
        if (value === undefined) throw missing(row, key);
        return { body: { [key]: value } };
      },
    }),
    compute({
      method: 'PUT',
      path: `${path}/:key`,
      policy: 'os_compute_api:os-flavor-extra-specs:update',
      body: Type.Record(Type.String(), Type.String({ maxLength: 255 }), { maxProperties: 1 }),
      handle: async (request) => {
        const row = await theFlavor(request);
        const key = parameter(request, 'key');
        const value = request.body[key];
        if (value === undefined) throw refused('Request body and URI mismatch');
        await write(row, { ...specsOf(row), [key]: value });
        return { body: { [key]: value } };
      },
    }),
    compute({
      method: 'DELETE',
      path: `${path}/:key`,
      policy: 'os_compute_api:os-flavor-extra-specs:delete',
      handle: async (request) => {
        const row = await theFlavor(request);
        const key = parameter(request, 'key');
        const { [key]: gone, ...rest } = specsOf(row);
        if (gone === undefined) throw missing(row, key);
        await write(row, rest);
        return {};
      },
    }),
  ];
}

function accessRoutes(core: ComputeCore, theFlavor: TheFlavor): Route<ComputeCaller>[] {
  const list = async (id: string) => {
    const rows = await core.db
      .selectFrom('compute_flavor_access')
      .selectAll()
      .where('flavor_id', '=', id)
      .execute();
    return {
      body: {
        flavor_access: rows.map((row) => ({ flavor_id: row.flavor_id, tenant_id: row.project_id })),
      },
    };
  };
  const tenant = fields.object({ tenant: Type.String({ minLength: 1, maxLength: 255 }) });
  return [
    compute({
      method: 'GET',
      path: '/flavors/:flavor_id/os-flavor-access',
      policy: 'os_compute_api:os-flavor-access',
      handle: async (request) => {
        const row = await theFlavor(request);
        if (row.is_public === 1)
          throw computeFailure('missing', {
            why: 'Access list not available for public flavors.',
          });
        return list(row.id);
      },
    }),
    compute({
      method: 'POST',
      path: '/flavors/:flavor_id/action',
      policy: 'os_compute_api:os-flavor-access:add_tenant_access',
      body: Type.Object(
        { addTenantAccess: Type.Optional(tenant), removeTenantAccess: Type.Optional(tenant) },
        { additionalProperties: false, minProperties: 1, maxProperties: 1 },
      ),
      handle: async (request) => {
        const row = await theFlavor(request);
        const { addTenantAccess: add, removeTenantAccess: remove } = request.body;
        if (row.is_public === 1)
          throw computeFailure('refused-conflict', {
            why: 'Can not add access to a public flavor.',
          });
        if (add !== undefined) {
          const made = await core.db
            .insertInto('compute_flavor_access')
            .values({ flavor_id: row.id, project_id: add.tenant })
            .onConflict((conflict) => conflict.doNothing())
            .executeTakeFirst();
          if (made.numInsertedOrUpdatedRows !== 1n)
            throw computeFailure('refused-conflict', {
              why: `Flavor access already exists for flavor ${row.id} and project ${add.tenant} combination.`,
            });
        } else if (remove !== undefined) {
          const gone = await core.db
            .deleteFrom('compute_flavor_access')
            .where('flavor_id', '=', row.id)
            .where('project_id', '=', remove.tenant)
            .executeTakeFirst();
          if (gone.numDeletedRows !== 1n)
            throw computeFailure('missing', {
              why: `Flavor access not found for ${row.id} / ${remove.tenant} combination.`,
            });
        }
        return list(row.id);
      },
    }),
  ];
}
