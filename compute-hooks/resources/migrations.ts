/** Moves of servers: all of them for administrators, those under way of one server, and what can be done to these. */
import { createHash } from 'node:crypto';
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, callerOf, compute, parameter, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { stampOf } from '../fields.ts';
import { record } from '../operations.ts';
import { serverTarget, theServer } from '../rows.ts';
import type { MigrationRow } from '../tables.ts';
import type { View } from './server-views.ts';

const listMax = 1000;

/** Upstream counts flavors in its database: a number that stays the same comes of the id. */
const flavorNumber = (id: string): number =>
  /^\d{1,9}$/.test(id)
    ? Number(id)
    : createHash('sha256').update(id).digest().readUInt32BE() % 2_147_483_647;

export function migrationRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  const path = '/servers/:server_id/migrations';
  const policy = (name: string) => `os_compute_api:servers:migrations:${name}`;
  return [
    compute({
      method: 'GET',
      path: '/os-migrations',
      policy: 'os_compute_api:os-migrations:index',
      handle: async (request) => ({
        body: { migrations: (await list(core, request)).map((row) => summary(request, row)) },
      }),
    }),
    compute({
      method: 'GET',
      path,
      policy: policy('index'),
      versions: { from: '2.23' },
      target,
      handle: async (request) => {
        const server = await theServer(core, request);
        const rows = await underWay(core, server.id).execute();
        return { body: { migrations: rows.map((row) => detail(core, request, row)) } };
      },
    }),
    compute({
      method: 'GET',
      path: `${path}/:migration_id`,
      policy: policy('show'),
      versions: { from: '2.23' },
      target,
      handle: async (request) => ({
        body: { migration: detail(core, request, await theMigration(core, request)) },
      }),
    }),
    compute({
      method: 'DELETE',
      path: `${path}/:migration_id`,
      policy: policy('delete'),
      versions: { from: '2.24' },
      target,
      handle: async (request) => {
        const row = await theMigration(core, request);
        const server = await theServer(core, request);
        await core.operations.cancel(row.id);
        await core.change((tx) => record(core, tx, request, server, 'live_migration_cancel'));
        return { status: 202 };
      },
    }),
    compute({
      method: 'POST',
      path: `${path}/:migration_id/action`,
      policy: policy('force_complete'),
      versions: { from: '2.22' },
      target,
      body: fields.object({ force_complete: Type.Null() }),
      handle: async (request) => {
        await theMigration(core, request);
        const server = await theServer(core, request);
        // A guest that stands still writes nothing that would have to be copied again.
        await core.host(server.host).hypervisor.pause(server.id);
        await core.change((tx) =>
          record(core, tx, request, server, 'live_migration_force_complete'),
        );
        return { status: 202 };
      },
    }),
  ];
}

const underWay = (core: ComputeCore, serverId: string) =>
  core.db
    .selectFrom('compute_migration')
    .selectAll()
    .where('server_id', '=', serverId)
    .where('kind', '=', 'live-migration')
    .where('status', '=', 'running');

async function theMigration(core: ComputeCore, request: Request): Promise<MigrationRow> {
  const server = await theServer(core, request);
  const id = parameter(request, 'migration_id');
  const row = await core.db
    .selectFrom('compute_migration')
    .selectAll()
    .where('server_id', '=', server.id)
    .where('number', '=', /^\d{1,10}$/.test(id) ? Number(id) : -1)
    .executeTakeFirst();
  if (row === undefined)
    throw computeFailure('missing', {
      why: `Migration ${id.slice(0, 64)} for server ${server.id} could not be found.`,
    });
  if (row.kind !== 'live-migration' || row.status !== 'running')
    throw refused(
      `Migration ${row.number} state of instance ${server.id} is ${row.status}. Cannot force_complete while the migration is in this state.`,
    );
  return row;
}

const filters = {
  host: 'host',
  instance_uuid: 'server_id',
  status: 'status',
  migration_type: 'kind',
  source_compute: 'source_host',
  project_id: 'project_id',
  user_id: 'user_id',
} as const;

async function list(core: ComputeCore, request: Request): Promise<MigrationRow[]> {
  callerOf(request);
  let query = core.db.selectFrom('compute_migration').selectAll().orderBy('number', 'desc');
  for (const [name, column] of Object.entries(filters)) {
    const value = request.query.get(name);
    if (value === null) continue;
    query =
      column === 'host'
        ? query.where((where) =>
            where.or([where('source_host', '=', value), where('target_host', '=', value)]),
          )
        : query.where(column, '=', value);
  }
  const limit = Number(request.query.get('limit') ?? listMax);
  if (!Number.isInteger(limit) || limit < 0) throw refused('limit must be a whole number');
  const rows = await query.execute();
  const marker = request.query.get('marker');
  const after = marker === null ? 0 : rows.findIndex(({ id }) => id === marker) + 1;
  if (marker !== null && after === 0) throw refused(`Marker ${marker.slice(0, 64)} not found.`);
  return rows.slice(after, after + Math.min(limit, listMax));
}

function summary({ minor }: Request, row: MigrationRow): View {
  return {
    id: row.number,
    instance_uuid: row.server_id,
    source_node: row.source_host,
    dest_node: row.target_host,
    source_compute: row.source_host,
    dest_compute: row.target_host,
    dest_host: row.target_host,
    status: row.status,
    old_instance_type_id: flavorNumber(row.old_flavor),
    new_instance_type_id: flavorNumber(row.new_flavor),
    created_at: stampOf(row.created_at_us),
    updated_at: stampOf(row.updated_at_us),
    ...(minor >= 23 ? { migration_type: row.kind, links: [] } : {}),
    ...(minor >= 59 ? { uuid: row.id } : {}),
    ...(minor >= 80 ? { user_id: row.user_id, project_id: row.project_id } : {}),
  };
}

function detail(core: ComputeCore, { minor }: Request, row: MigrationRow): View {
  const now = core.moving.get(row.id);
  return {
    id: row.number,
    server_uuid: row.server_id,
    source_node: row.source_host,
    source_compute: row.source_host,
    dest_node: row.target_host,
    dest_compute: row.target_host,
    dest_host: row.target_host,
    status: row.status,
    memory_total_bytes: now?.totalBytes ?? null,
    memory_processed_bytes: now?.doneBytes ?? null,
    memory_remaining_bytes: now?.leftBytes ?? null,
    // Disks stay where they are.
    disk_total_bytes: 0,
    disk_processed_bytes: 0,
    disk_remaining_bytes: 0,
    created_at: stampOf(row.created_at_us),
    updated_at: stampOf(row.updated_at_us),
    ...(minor >= 59 ? { uuid: row.id } : {}),
    ...(minor >= 80 ? { user_id: row.user_id, project_id: row.project_id } : {}),
  };
}
