/** Hosts as versions before 2.43 show them, and hypervisors found by name and by servers before 2.53; and audits, of which there are none. */
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, parameter, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import { parseFlavor } from '../flavor-facts.ts';
import { type HostView, hostViews } from '../scheduler.ts';
import { serversOn, summary } from './hosts.ts';

export function olderHostRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [...hostsByName(core), ...hypervisorsByName(core), ...auditRoutes(core)];
}

function hostsByName(core: ComputeCore): Route<ComputeCaller>[] {
  return [
    compute({
      method: 'GET',
      path: '/os-hosts',
      policy: 'os_compute_api:os-hosts:list',
      versions: { until: '2.42' },
      handle: async (request) => {
        const wanted = request.query.get('zone');
        const views = (await hostViews(core, core.db)).filter(
          ({ zone }) => wanted === null || wanted === '' || zone === wanted,
        );
        return {
          body: {
            hosts: views.map(({ row, zone }) => ({
              host_name: row.name,
              service: 'compute',
              zone,
            })),
          },
        };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-hosts/:host_name',
      policy: 'os_compute_api:os-hosts:show',
      versions: { until: '2.42' },
      handle: async (request) => {
        const name = parameter(request, 'host_name');
        const view = (await hostViews(core, core.db)).find(({ row }) => row.name === name);
        if (view === undefined)
          throw computeFailure('missing', { why: `Compute host ${name} could not be found.` });
        return { body: { host: (await sharesOf(core, view)).map((resource) => ({ resource })) } };
      },
    }),
    ...(['startup', 'shutdown', 'reboot'] as const).map((action) =>
      compute({
        method: 'GET',
        path: `/os-hosts/:host_name/${action}`,
        policy: 'os_compute_api:os-hosts:show',
        versions: { until: '2.42' },
        handle: () => {
          throw computeFailure('not-implemented', { what: 'Switching hosts on and off' });
        },
      }),
    ),
  ];
}

/** What there is, what is given out, and what each project has of it. */
async function sharesOf(core: ComputeCore, { row, used }: HostView) {
  const share = (project: string, cpu: number, memory_mb: number, disk_gb: number) => ({
    ...{ host: row.name, project, cpu, memory_mb, disk_gb },
  });
  const servers = await core.db
    .selectFrom('compute_server')
    .select(['project_id', 'flavor_json'])
    .where('host', '=', row.name)
    .where('deleted_at_us', 'is', null)
    .execute();
  const flavors = servers.map(({ project_id, flavor_json }) => ({
    project_id,
    flavor: parseFlavor(flavor_json),
  }));
  const sum = (list: typeof flavors, of: (one: (typeof flavors)[number]['flavor']) => number) =>
    list.reduce((total, { flavor }) => total + of(flavor), 0);
  const total = (project: string, list: typeof flavors) =>
    share(
      project,
      sum(list, ({ vcpus }) => vcpus),
      sum(list, ({ memoryMib }) => memoryMib),
      sum(list, ({ diskGib, ephemeralGib }) => diskGib + ephemeralGib),
    );
  return [
    share('(total)', row.vcpus, row.memory_mib, row.disk_gib),
    share(
      '(used_now)',
      used.VCPU ?? 0,
      (used.MEMORY_MB ?? 0) + core.settings.reservedMemoryMib,
      used.DISK_GB ?? 0,
    ),
    total('(used_max)', flavors),
    ...[...Map.groupBy(flavors, ({ project_id }) => project_id)].map(([project, list]) =>
      total(project, list),
    ),
  ];
}

function hypervisorsByName(core: ComputeCore): Route<ComputeCaller>[] {
  const found = async (request: Request) => {
    const part = parameter(request, 'hypervisor_id');
    const views = (await hostViews(core, core.db)).filter(({ row }) => row.name.includes(part));
    if (views.length > 0) return views;
    throw computeFailure('missing', { why: `No hypervisor matching '${part}' could be found.` });
  };
  return [
    compute({
      method: 'GET',
      path: '/os-hypervisors/:hypervisor_id/search',
      policy: 'os_compute_api:os-hypervisors:search',
      versions: { until: '2.52' },
      handle: async (request) => ({
        body: { hypervisors: (await found(request)).map(({ row }) => summary(core, request, row)) },
      }),
    }),
    compute({
      method: 'GET',
      path: '/os-hypervisors/:hypervisor_id/servers',
      policy: 'os_compute_api:os-hypervisors:servers',
      versions: { until: '2.52' },
      handle: async (request) => {
        const views = await found(request);
        const hypervisors = await Promise.all(
          views.map(async ({ row }) => {
            const servers = await serversOn(core, row.name);
            return {
              ...summary(core, request, row),
              ...(servers.length === 0 ? {} : { servers }),
            };
          }),
        );
        return { body: { hypervisors } };
      },
    }),
  ];
}

/** Usage is counted from the servers themselves, whenever it is asked for: no host has audits to do. */
function auditRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const reply = async (beforeMs: number) => {
    const hosts = await hostViews(core, core.db);
    const before = new Date(beforeMs);
    const [year, month] = [before.getUTCFullYear(), before.getUTCMonth()];
    const monthAt = (offset: number) =>
      new Date(Date.UTC(year, month + offset, 1)).toISOString().slice(0, 19).replace('T', ' ');
    return {
      body: {
        instance_usage_audit_logs: {
          hosts_not_run: hosts.map(({ row }) => row.name),
          log: {},
          num_hosts: hosts.length,
          num_hosts_done: 0,
          num_hosts_not_run: hosts.length,
          num_hosts_running: 0,
          overall_status: `0 of ${hosts.length} hosts done. 0 errors.`,
          period_beginning: monthAt(-1),
          period_ending: monthAt(0),
          total_errors: 0,
          total_instances: 0,
        },
      },
    };
  };
  const policy = (name: string) => `os_compute_api:os-instance-usage-audit-log:${name}`;
  return [
    compute({
      method: 'GET',
      path: '/os-instance_usage_audit_log',
      policy: policy('list'),
      handle: () => reply(core.clock.nowUs() / 1_000),
    }),
    compute({
      method: 'GET',
      path: '/os-instance_usage_audit_log/:before',
      policy: policy('show'),
      handle: async (request) => {
        const text = parameter(request, 'before');
        const ms = Date.parse(`${text.replace(' ', 'T')}Z`);
        if (Number.isNaN(ms)) throw refused(`Invalid timestamp for date ${text.slice(0, 64)}`);
        const { body } = await reply(ms);
        return { body: { instance_usage_audit_log: body.instance_usage_audit_logs } };
      },
    }),
  ];
}
