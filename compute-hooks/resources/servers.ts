/** Servers: list, show, change, delete. Making one is `create-server.ts`, its actions are in `actions/`. */
import Type from 'typebox';
import type { ApiReply, Route } from '#cloud/api';
import { type ComputeCaller, callerOf, compute, type Request } from '../caller.ts';
import type { ComputeCore, Tx } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { begin } from '../operations.ts';
import { serverTarget, theServer } from '../rows.ts';
import type { ServerRow } from '../tables.ts';
import { listServers } from './server-list.ts';
import { hostStatus, serverDetail, serverFacts, serverSummary, type View } from './server-views.ts';

const updateBody = Type.Object(
  {
    server: fields.object({
      name: Type.Optional(fields.name),
      'OS-DCF:diskConfig': Type.Optional(Type.Enum(['AUTO', 'MANUAL'])),
      accessIPv4: Type.Optional(Type.String({ maxLength: 64 })),
      accessIPv6: Type.Optional(Type.String({ maxLength: 64 })),
      description: fields.optional(fields.text),
      hostname: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    }),
  },
  { additionalProperties: false },
);

export async function serverReply(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
): Promise<View> {
  const [facts] = await serverFacts(core, [row]);
  if (facts === undefined) throw refused('no such server');
  return serverDetail(core, request, facts, {
    alone: true,
    hostStatus: await hostStatus(core, row),
  });
}

/** What a change answers with: before 2.75 less than what is shown. */
export async function changedReply(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
): Promise<View> {
  const whole = await serverReply(core, request, row);
  if (request.minor >= 75) return whole;
  return Object.fromEntries(Object.entries(whole).filter(([name]) => !shownOnly.test(name)));
}

const shownOnly =
  /^(OS-EXT-|OS-SRV-USG:|os-extended-volumes:|config_drive$|key_name$|security_groups$|host_status$)/;

export function serverRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  return [
    compute({
      method: 'GET',
      path: '/servers',
      policy: 'os_compute_api:servers:index',
      handle: async (request) =>
        pageReply(request, await listServers(core, request), async (rows) =>
          rows.map((row) => serverSummary(request, row)),
        ),
    }),
    compute({
      method: 'GET',
      path: '/servers/detail',
      policy: 'os_compute_api:servers:detail',
      handle: async (request) =>
        pageReply(request, await listServers(core, request), async (rows) =>
          (await serverFacts(core, rows)).map((facts) => serverDetail(core, request, facts)),
        ),
    }),
    compute({
      method: 'GET',
      path: '/servers/:server_id',
      policy: 'os_compute_api:servers:show',
      target,
      handle: async (request) => ({
        body: { server: await serverReply(core, request, await theServer(core, request)) },
      }),
    }),
    compute({
      method: 'PUT',
      path: '/servers/:server_id',
      policy: 'os_compute_api:servers:update',
      target,
      body: updateBody,
      handle: async (request) => {
        const { server } = request.body;
        if (server.description !== undefined && request.minor < 19)
          throw refused('description needs version 2.19');
        if (server.hostname !== undefined && request.minor < 90)
          throw refused('hostname needs version 2.90');
        const row = await theServer(core, request);
        const set = {
          ...(server.name === undefined ? {} : { name: server.name.trim() }),
          ...(server.description === undefined ? {} : { description: server.description }),
          ...(server.hostname === undefined ? {} : { hostname: server.hostname }),
          ...(server.accessIPv4 === undefined
            ? {}
            : { access_ip_v4: fields.address(server.accessIPv4, 4) }),
          ...(server.accessIPv6 === undefined
            ? {}
            : { access_ip_v6: fields.address(server.accessIPv6, 6) }),
          ...(server['OS-DCF:diskConfig'] === undefined
            ? {}
            : { disk_config: server['OS-DCF:diskConfig'] }),
          updated_at_us: core.clock.nowUs(),
        };
        await core.db.updateTable('compute_server').set(set).where('id', '=', row.id).execute();
        return { body: { server: await changedReply(core, request, { ...row, ...set }) } };
      },
    }),
    compute({
      method: 'DELETE',
      path: '/servers/:server_id',
      policy: 'os_compute_api:servers:delete',
      target,
      handle: async (request) => {
        const { reclaimAfterMs } = core.settings;
        await core.change(async (transaction) => {
          const row = await theServer(core, request, transaction);
          refuseLocked(request, row);
          const keep = reclaimAfterMs > 0 && row.made === 1 && row.mode !== 'soft-deleted';
          await (keep ? beginSoftDelete : beginDelete)(core, transaction, request, row);
        });
        return { status: 204 };
      },
    }),
  ];
}

async function pageReply(
  request: Request,
  page: { readonly rows: readonly ServerRow[]; readonly next: string | undefined },
  views: (rows: readonly ServerRow[]) => Promise<View[]>,
): Promise<ApiReply> {
  const path = request.url.split('?', 1)[0] ?? '';
  const next =
    page.next === undefined
      ? {}
      : { servers_links: [{ rel: 'next', href: `${request.baseUrl}${path}${page.next}` }] };
  return { body: { servers: await views(page.rows), ...next } };
}

/** Whoever did not lock it may not change it, administrators apart. */
export function refuseLocked(request: Request, row: ServerRow): void {
  if (row.locked_by === null || callerOf(request).isAdmin) return;
  throw computeFailure('locked', { id: row.id });
}

/** Whatever is at work on it: that is ended first. Deleting twice is deleting once. */
export async function beginDelete(
  core: ComputeCore,
  transaction: Tx,
  request: Request,
  row: ServerRow,
): Promise<void> {
  if (row.operation_id !== null && row.operation_kind === 'server.delete') return;
  await begin(core, transaction, request, {
    server: row,
    kind: 'server.delete',
    action: 'delete',
    workflow: 'server.delete',
    input: { serverId: row.id, before: row.operation_id },
    takesOver: true,
  });
}

async function beginSoftDelete(
  core: ComputeCore,
  transaction: Tx,
  request: Request,
  row: ServerRow,
): Promise<void> {
  await begin(core, transaction, request, {
    server: row,
    kind: 'server.soft-delete',
    action: 'delete',
    workflow: 'server.change',
    input: { serverId: row.id, change: 'soft-delete', input: {} },
  });
}
