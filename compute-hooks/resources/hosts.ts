/** Hosts as administrators see them: hypervisors, compute services, availability zones. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, parameter, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { type HostView, hostViews, isUp } from '../scheduler.ts';
import type { HostRow } from '../tables.ts';
import type { View } from './server-views.ts';

export function hostRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [...hypervisorRoutes(core), ...serviceRoutes(core), ...zoneRoutes(core)];
}

/** Before 2.53 hypervisors and services had numbers: one that stays the same comes of the id. */
export const numberOf = (id: string): number => Number.parseInt(id.slice(0, 7), 16) + 1;
const idOf = (request: Request, id: string) => (request.minor >= 53 ? id : numberOf(id));

function hypervisorRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const policy = (name: string) => `os_compute_api:os-hypervisors:${name}`;
  const list = async (request: Request) => {
    const pattern = request.minor >= 53 ? request.query.get('hypervisor_hostname_pattern') : null;
    const views = await hostViews(core, core.db);
    const found = views.filter(({ row }) => pattern === null || row.name.includes(pattern));
    if (pattern !== null && found.length === 0)
      throw computeFailure('missing', {
        why: `No hypervisor matching '${pattern}' could be found.`,
      });
    return found;
  };
  const servers = async (request: Request, row: HostRow) => {
    if (request.minor < 53 || request.query.get('with_servers') !== 'true') return {};
    return { servers: await serversOn(core, row.name) };
  };
  const show = async (request: Request) => {
    const id = parameter(request, 'hypervisor_id');
    const view = (await hostViews(core, core.db)).find(
      ({ row }) => String(idOf(request, row.id)) === id,
    );
    if (view === undefined)
      throw computeFailure('missing', { why: `Hypervisor with ID '${id}' could not be found.` });
    return view;
  };
  return [
    compute({
      method: 'GET',
      path: '/os-hypervisors',
      policy: policy('list'),
      handle: async (request) => ({
        body: {
          hypervisors: await Promise.all(
            (await list(request)).map(async ({ row }) => ({
              ...summary(core, request, row),
              ...(await servers(request, row)),
            })),
          ),
        },
      }),
    }),
    compute({
      method: 'GET',
      path: '/os-hypervisors/detail',
      policy: policy('list'),
      handle: async (request) => ({
        body: {
          hypervisors: await Promise.all(
            (await list(request)).map(async (view) => ({
              ...(await detail(core, request, view)),
              ...(await servers(request, view.row)),
            })),
          ),
        },
      }),
    }),
    compute({
      method: 'GET',
      path: '/os-hypervisors/statistics',
      policy: policy('list'),
      versions: { until: '2.87' },
      handle: async (request) => {
        const views = await Promise.all((await list(request)).map((view) => figures(core, view)));
        const total: Record<string, number> = { count: views.length };
        for (const view of views)
          for (const [name, value] of Object.entries(view))
            total[name] = (total[name] ?? 0) + value;
        return { body: { hypervisor_statistics: total } };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-hypervisors/:hypervisor_id',
      policy: policy('show'),
      handle: async (request) => {
        const view = await show(request);
        return {
          body: {
            hypervisor: {
              ...(await detail(core, request, view)),
              ...(await servers(request, view.row)),
            },
          },
        };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-hypervisors/:hypervisor_id/uptime',
      policy: policy('show'),
      versions: { until: '2.87' },
      handle: async (request) => {
        const { row } = await show(request);
        const uptime = uptimeOf(core, row);
        return { body: { hypervisor: { ...summary(core, request, row), uptime } } };
      },
    }),
  ];
}

export async function serversOn(core: ComputeCore, host: string): Promise<View[]> {
  const rows = await core.db
    .selectFrom('compute_server')
    .select(['id', 'name'])
    .where('host', '=', host)
    .where('deleted_at_us', 'is', null)
    .execute();
  return rows.map(({ id, name }) => ({ uuid: id, name }));
}

export function summary(core: ComputeCore, request: Request, row: HostRow): View {
  return {
    id: idOf(request, row.id),
    hypervisor_hostname: row.name,
    state: isUp(core, row) ? 'up' : 'down',
    status: row.disabled === 1 ? 'disabled' : 'enabled',
  };
}

async function figures(core: ComputeCore, view: HostView) {
  const { row, used } = view;
  const running = await serversOn(core, row.name);
  const memory = (used.MEMORY_MB ?? 0) + core.settings.reservedMemoryMib;
  const disk = used.DISK_GB ?? 0;
  return {
    vcpus: row.vcpus,
    vcpus_used: used.VCPU ?? 0,
    memory_mb: row.memory_mib,
    memory_mb_used: memory,
    free_ram_mb: row.memory_mib - memory,
    local_gb: row.disk_gib,
    local_gb_used: disk,
    free_disk_gb: row.disk_gib - disk,
    disk_available_least: row.disk_gib - disk,
    current_workload: 0,
    running_vms: running.length,
  };
}

async function detail(core: ComputeCore, request: Request, view: HostView): Promise<View> {
  const { row } = view;
  const { cpu } = JSON.parse(row.facts_json) as { cpu: Record<string, string> };
  const info = {
    arch: cpu.arch,
    model: cpu.model,
    vendor: cpu.vendor,
    accelerator: cpu.accelerator,
    features: [],
    topology: { cores: row.vcpus, threads: 1, sockets: 1 },
  };
  return {
    ...summary(core, request, row),
    hypervisor_type: row.type,
    hypervisor_version: row.version,
    host_ip: '127.0.0.1',
    service: {
      id: idOf(request, row.id),
      host: row.name,
      disabled_reason: row.disabled_reason,
    },
    ...(request.minor >= 88
      ? { uptime: uptimeOf(core, row) }
      : {
          ...(await figures(core, view)),
          cpu_info: request.minor >= 28 ? info : JSON.stringify(info),
        }),
  };
}

/** How long this host has been known, in the words that clients show. */
function uptimeOf(core: ComputeCore, row: HostRow): string {
  const seconds = Math.floor((core.clock.nowUs() - row.created_at_us) / 1_000_000);
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  return `up ${days} days, ${hours}:${String(minutes).padStart(2, '0')}`;
}

function serviceRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const all = () => hostViews(core, core.db);
  const view = (request: Request, { row, zone }: HostView): View => ({
    id: idOf(request, row.id),
    binary: 'nova-compute',
    host: row.name,
    zone,
    status: row.disabled === 1 ? 'disabled' : 'enabled',
    state: isUp(core, row) ? 'up' : 'down',
    updated_at: fields.stampOf(row.seen_at_us),
    disabled_reason: row.disabled_reason,
    ...(request.minor >= 11 ? { forced_down: row.forced_down === 1 } : {}),
  });
  const write = async (name: string, set: Partial<HostRow>) => {
    const done = await core.db
      .updateTable('compute_host')
      .set((column) => ({ ...set, generation: column('generation', '+', 1) }))
      .where('name', '=', name)
      .executeTakeFirst();
    if (done.numUpdatedRows !== 1n)
      throw computeFailure('missing', {
        why: `Could not find binary nova-compute on host ${name.slice(0, 255)}.`,
      });
  };
  const byId = async (request: Request) => {
    const id = parameter(request, 'service_id');
    const found = (await all()).find(({ row }) => String(idOf(request, row.id)) === id);
    if (found === undefined) throw computeFailure('missing', { why: `Service ${id} not found.` });
    return found;
  };
  const older = fields.object({
    host: fields.name,
    binary: fields.name,
    disabled_reason: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    forced_down: Type.Optional(fields.flag),
  });
  return [
    compute({
      method: 'GET',
      path: '/os-services',
      policy: 'os_compute_api:os-services:list',
      handle: async (request) => {
        const { query } = request;
        const binary = query.get('binary');
        const views = (await all()).filter(
          ({ row }) =>
            (query.get('host') ?? row.name) === row.name &&
            (binary ?? 'nova-compute') === 'nova-compute',
        );
        return { body: { services: views.map((one) => view(request, one)) } };
      },
    }),
    compute({
      method: 'PUT',
      path: '/os-services/:service_id',
      policy: 'os_compute_api:os-services:update',
      body: Type.Union([
        older,
        fields.object({
          status: Type.Optional(Type.Enum(['enabled', 'disabled'])),
          disabled_reason: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
          forced_down: Type.Optional(fields.flag),
        }),
      ]),
      handle: async (request) => {
        const body = request.body as Record<string, unknown>;
        if (request.minor < 53) return olderUpdate(request, body, write);
        const { row } = await byId(request);
        const reason = body.disabled_reason;
        if (reason !== undefined && body.status !== 'disabled')
          throw refused('Specifying disabled_reason requires that status is disabled.');
        await write(row.name, {
          ...(body.status === undefined
            ? {}
            : {
                disabled: body.status === 'disabled' ? 1 : 0,
                disabled_reason: (reason as string) ?? null,
              }),
          ...(body.forced_down === undefined ? {} : { forced_down: body.forced_down ? 1 : 0 }),
        });
        return { body: { service: view(request, await byId(request)) } };
      },
    }),
    compute({
      method: 'DELETE',
      path: '/os-services/:service_id',
      policy: 'os_compute_api:os-services:delete',
      handle: async (request) => {
        const { row } = await byId(request);
        if ((await serversOn(core, row.name)).length > 0 || isUp(core, row))
          throw computeFailure('refused-conflict', {
            why: 'Unable to delete compute service that is hosting instances or up.',
          });
        await core.db.deleteFrom('compute_host').where('id', '=', row.id).execute();
        return { status: 204 };
      },
    }),
  ];
}

/** `PUT /os-services/enable` and its like, where the host is in the body. */
async function olderUpdate(
  request: Request,
  body: Record<string, unknown>,
  write: (name: string, set: Partial<HostRow>) => Promise<void>,
) {
  const action = parameter(request, 'service_id');
  const [host, binary] = [String(body.host), String(body.binary)];
  const reason = body.disabled_reason === undefined ? null : String(body.disabled_reason);
  const sets: Readonly<Record<string, Partial<HostRow>>> = {
    enable: { disabled: 0, disabled_reason: null },
    disable: { disabled: 1, disabled_reason: null },
    'disable-log-reason': { disabled: 1, disabled_reason: reason },
    ...(request.minor >= 11 ? { 'force-down': { forced_down: body.forced_down ? 1 : 0 } } : {}),
  };
  const set = Object.hasOwn(sets, action) ? sets[action] : undefined;
  if (set === undefined) throw computeFailure('missing', { why: 'Unknown action' });
  if (binary !== 'nova-compute')
    throw computeFailure('missing', { why: `Could not find binary ${binary} on host ${host}.` });
  await write(host, set);
  const status = action === 'enable' ? 'enabled' : 'disabled';
  return {
    body: {
      service: {
        host,
        binary,
        ...(action === 'force-down' ? { forced_down: set.forced_down === 1 } : { status }),
        ...(action === 'disable-log-reason' ? { disabled_reason: reason } : {}),
      },
    },
  };
}

function zoneRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const zones = async () => {
    const found = Map.groupBy(await hostViews(core, core.db), ({ zone }) => zone);
    return [...found];
  };
  const works = ({ row }: HostView) => row.disabled === 0 && isUp(core, row);
  return [
    compute({
      method: 'GET',
      path: '/os-availability-zone',
      policy: 'os_compute_api:os-availability-zone:list',
      handle: async () => ({
        body: {
          availabilityZoneInfo: (await zones()).map(([zoneName, hosts]) => ({
            zoneName,
            zoneState: { available: hosts.some(works) },
            hosts: null,
          })),
        },
      }),
    }),
    compute({
      method: 'GET',
      path: '/os-availability-zone/detail',
      policy: 'os_compute_api:os-availability-zone:detail',
      handle: async () => ({
        body: {
          availabilityZoneInfo: (await zones()).map(([zoneName, hosts]) => ({
            zoneName,
            zoneState: { available: hosts.some(works) },
            hosts: Object.fromEntries(
              hosts.map((host) => [
                host.row.name,
                {
                  'nova-compute': {
                    active: host.row.disabled === 0,
                    available: isUp(core, host.row),
                    updated_at: fields.stampOf(host.row.seen_at_us),
                  },
                },
              ]),
            ),
          })),
        },
      }),
    }),
  ];
}
