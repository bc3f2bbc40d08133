/** Quotas, limits, and how much was used how long. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import {
  type ComputeCaller,
  callerOf,
  compute,
  parameter,
  projectOf,
  type Request,
} from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { parseFlavor } from '../flavor-facts.ts';
import { resourceOf } from '../quotas.ts';
import { vmState } from '../status.ts';
import type { ServerRow } from '../tables.ts';
import type { View } from './server-views.ts';

const counted = [
  'instances',
  'cores',
  'ram',
  'key_pairs',
  'metadata_items',
  'server_groups',
  'server_group_members',
];
/** Limits that upstream still has words for, of what other services count or nobody does. */
const unlimited = [
  'injected_files',
  'injected_file_content_bytes',
  'injected_file_path_bytes',
  'fixed_ips',
  'floating_ips',
  'security_groups',
  'security_group_rules',
];

const amount = Type.Union([
  Type.Integer({ minimum: -1, maximum: 2_147_483_647 }),
  Type.String({ pattern: '^-?[0-9]{1,10}$' }),
]);

const amounts = Object.fromEntries(
  [...counted, ...unlimited].map((name) => [name, Type.Optional(amount)]),
);

/** The limits in a body; one on what nobody counts here can only be none. */
function limitsIn(wanted: Readonly<Record<string, unknown>>): Record<string, number> {
  const other = unlimited.find((name) => wanted[name] !== undefined && Number(wanted[name]) !== -1);
  if (other !== undefined) throw refused(`${other} is not counted by the compute service.`);
  const named = counted.filter((name) => wanted[name] !== undefined);
  return Object.fromEntries(named.map((name) => [resourceOf(name), Number(wanted[name])]));
}

export function quotaRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [...quotaSetRoutes(core), ...limitRoutes(core), ...usageRoutes(core)];
}

const namesAt = (minor: number) => [
  ...counted,
  ...unlimited.filter(
    (name) =>
      (minor < 57 || !name.startsWith('injected')) && (minor < 36 || name.startsWith('injected')),
  ),
];

function quotaSetRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const path = '/os-quota-sets/:project_id';
  const target = (request: Request) => ({ project_id: parameter(request, 'project_id') });
  const limits = async (scope: string) => {
    const all = await core.quotas.limits(scope, 'compute');
    return (name: string) => all[resourceOf(name)] ?? -1;
  };
  const set = async (request: Request, scope: string): Promise<View> => {
    const limit = await limits(scope);
    return Object.fromEntries(namesAt(request.minor).map((name) => [name, limit(name)]));
  };
  return [
    compute({
      method: 'GET',
      path,
      policy: 'os_compute_api:os-quota-sets:show',
      target,
      handle: async (request) => {
        const id = parameter(request, 'project_id');
        return { body: { quota_set: { id, ...(await set(request, id)) } } };
      },
    }),
    compute({
      method: 'GET',
      path: `${path}/defaults`,
      policy: 'os_compute_api:os-quota-sets:defaults',
      handle: async (request) => ({
        body: { quota_set: { id: parameter(request, 'project_id'), ...(await set(request, '')) } },
      }),
    }),
    compute({
      method: 'GET',
      path: `${path}/detail`,
      policy: 'os_compute_api:os-quota-sets:show',
      target,
      handle: async (request) => {
        const id = parameter(request, 'project_id');
        const usage = await core.quotas.usage(id, 'compute');
        const detail = Object.fromEntries(
          namesAt(request.minor).map((name) => {
            const { limit = -1, used = 0 } = usage[resourceOf(name)] ?? {};
            return [name, { limit, in_use: used, reserved: 0 }];
          }),
        );
        return { body: { quota_set: { id, ...detail } } };
      },
    }),
    compute({
      method: 'PUT',
      path,
      policy: 'os_compute_api:os-quota-sets:update',
      body: fields.object({
        quota_set: fields.object({ ...amounts, force: Type.Optional(fields.flag) }),
      }),
      handle: async (request) => {
        const id = parameter(request, 'project_id');
        const wanted = request.body.quota_set as Record<string, unknown>;
        await core.quotas.setLimits(id, limitsIn(wanted));
        return { body: { quota_set: await set(request, id) } };
      },
    }),
    compute({
      method: 'DELETE',
      path,
      policy: 'os_compute_api:os-quota-sets:delete',
      handle: async (request) => {
        await core.quotas.clearLimits(parameter(request, 'project_id'), 'compute');
        return { status: 202 };
      },
    }),
    compute({
      method: 'PUT',
      path: '/os-quota-class-sets/:class_id',
      policy: 'os_compute_api:os-quota-class-sets:update',
      body: fields.object({ quota_class_set: fields.object(amounts) }),
      handle: async (request) => {
        if (parameter(request, 'class_id') !== 'default')
          throw refused('There is one class of quotas: default.');
        const wanted = request.body.quota_class_set as Record<string, unknown>;
        await core.quotas.setLimits('', limitsIn(wanted));
        return { body: { quota_class_set: await set(request, '') } };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-quota-class-sets/:class_id',
      policy: 'os_compute_api:os-quota-class-sets:show',
      handle: async (request) => ({
        body: {
          quota_class_set: { id: parameter(request, 'class_id'), ...(await set(request, '')) },
        },
      }),
    }),
  ];
}

function limitRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [
    compute({
      method: 'GET',
      path: '/limits',
      policy: 'os_compute_api:limits',
      handle: async (request) => {
        const asked = request.query.get('tenant_id');
        const scope = asked !== null && callerOf(request).isAdmin ? asked : projectOf(request);
        const usage = await core.quotas.usage(scope, 'compute');
        const of = (name: string) => usage[resourceOf(name)] ?? { limit: -1, used: 0 };
        const absolute = {
          maxTotalInstances: of('instances').limit,
          maxTotalCores: of('cores').limit,
          maxTotalRAMSize: of('ram').limit,
          maxTotalKeypairs: of('key_pairs').limit,
          maxServerMeta: of('metadata_items').limit,
          maxServerGroups: of('server_groups').limit,
          maxServerGroupMembers: of('server_group_members').limit,
          totalInstancesUsed: of('instances').used,
          totalCoresUsed: of('cores').used,
          totalRAMUsed: of('ram').used,
          totalServerGroupsUsed: of('server_groups').used,
          ...(request.minor < 57 ? { maxPersonality: 0, maxPersonalitySize: 0 } : {}),
          ...(request.minor < 39 ? { maxImageMeta: of('metadata_items').limit } : {}),
          ...(request.minor < 36
            ? {
                maxSecurityGroups: -1,
                maxSecurityGroupRules: -1,
                maxTotalFloatingIps: -1,
                totalFloatingIpsUsed: 0,
                totalSecurityGroupsUsed: 0,
              }
            : {}),
        };
        return { body: { limits: { rate: [], absolute } } };
      },
    }),
  ];
}

function usageRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const policy = (name: string) => `os_compute_api:os-simple-tenant-usage:${name}`;
  const period = (request: Request) => {
    const now = core.clock.nowUs();
    const at = (name: string, usual: number) => {
      const text = request.query.get(name);
      if (text === null) return usual;
      const ms = Date.parse(/[Zz]$/.test(text) ? text : `${text}Z`);
      if (Number.isNaN(ms)) throw refused(`Datetime is in invalid format: ${text.slice(0, 64)}`);
      return ms * 1000;
    };
    const [from, to] = [at('start', now), at('end', now)];
    if (from > to)
      throw refused('Invalid start time. The start time cannot occur after the end time.');
    return { from, to, now };
  };
  const rows = (from: number, to: number, project?: string) => {
    let select = core.db
      .selectFrom('compute_server')
      .selectAll()
      .where('launched_at_us', 'is not', null)
      .where('launched_at_us', '<=', to)
      .where((where) =>
        where.or([where('deleted_at_us', 'is', null), where('deleted_at_us', '>=', from)]),
      );
    if (project !== undefined) select = select.where('project_id', '=', project);
    return select.orderBy('created_at_us').execute();
  };
  return [
    compute({
      method: 'GET',
      path: '/os-simple-tenant-usage',
      policy: policy('list'),
      handle: async (request) => {
        const { from, to, now } = period(request);
        const byProject = Map.groupBy(await rows(from, to), (row) => row.project_id);
        const detailed = request.query.get('detailed') === '1';
        const tenant_usages = [...byProject].map(([project, list]) =>
          usageOf(project, list, { from, to, now, detailed }),
        );
        return { body: { tenant_usages } };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-simple-tenant-usage/:project_id',
      policy: policy('show'),
      target: (request) => ({ project_id: parameter(request, 'project_id') }),
      handle: async (request) => {
        const { from, to, now } = period(request);
        const project = parameter(request, 'project_id');
        const list = await rows(from, to, project);
        const tenant_usage =
          list.length === 0 ? {} : usageOf(project, list, { from, to, now, detailed: true });
        return { body: { tenant_usage } };
      },
    }),
  ];
}

const hourUs = 3_600_000_000;

function usageOf(
  project: string,
  rows: readonly ServerRow[],
  { from, to, now, detailed }: { from: number; to: number; now: number; detailed: boolean },
): View {
  const servers = rows.map((row) => {
    const flavor = parseFlavor(row.flavor_json);
    const launched = row.launched_at_us ?? row.created_at_us;
    const start = Math.max(launched, from);
    const end = Math.min(row.deleted_at_us ?? now, to);
    const hours = Math.max(0, end - start) / hourUs;
    const gb = flavor.diskGib + flavor.ephemeralGib;
    return { row, flavor, hours, gb, launched };
  });
  const total = (of: (one: (typeof servers)[number]) => number) =>
    servers.reduce((sum, one) => sum + one.hours * of(one), 0);
  return {
    tenant_id: project,
    total_hours: total(() => 1),
    total_vcpus_usage: total(({ flavor }) => flavor.vcpus),
    total_memory_mb_usage: total(({ flavor }) => flavor.memoryMib),
    total_local_gb_usage: total(({ gb }) => gb),
    start: fields.stampOf(from),
    stop: fields.stampOf(to),
    ...(detailed
      ? {
          server_usages: servers.map(({ row, flavor, hours, gb, launched }) => ({
            instance_id: row.id,
            name: row.name,
            hours,
            flavor: flavor.name,
            memory_mb: flavor.memoryMib,
            vcpus: flavor.vcpus,
            local_gb: gb,
            tenant_id: project,
            started_at: fields.stampOf(launched),
            ended_at: fields.stampOf(row.deleted_at_us),
            state: row.deleted_at_us === null ? vmState(row) : 'terminated',
            uptime: Math.floor(((row.deleted_at_us ?? now) - launched) / 1_000_000),
          })),
        }
      : {}),
  };
}
