/** Quota sets of projects, the defaults, and limits as a user sees them. */
import Type from 'typebox';
import type { QuotaUsage } from '#cloud/quotas';
import type { Route } from '../../api/index.ts';
import { callerOf, flagOf, parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import { resourceOf, typeQuotas } from '../quotas.ts';

const service = 'volume';
const path = '/os-quota-sets';
const limit = Type.Union([
  Type.Integer({ minimum: -1, maximum: 2_147_483_647 }),
  Type.String({ pattern: '^(-1|[0-9]{1,10})$' }),
]);
const quotaBody = Type.Object(
  {
    quota_set: Type.Record(
      Type.String({ pattern: '^[^\\x00]{1,255}$' }),
      Type.Union([limit, Type.Boolean()]),
      {
        additionalProperties: false,
        maxProperties: 256,
      },
    ),
  },
  { additionalProperties: false },
);
const classBody = Type.Object(
  {
    quota_class_set: Type.Record(
      Type.String({ pattern: '^[^\\x00]{1,255}$' }),
      Type.Union([limit, Type.String()]),
      {
        additionalProperties: false,
        maxProperties: 256,
      },
    ),
  },
  { additionalProperties: false },
);

export function quotaRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { quotas } = core;
  const projectOfPath = (request: Request) => ({ project_id: parameter(request, 'target_id') });
  const limitsOf = async (projectId: string) => {
    await declareTypes(core);
    return named(await quotas.limits(projectId, service));
  };
  return [
    ...scoped({
      method: 'GET',
      path: `${path}/:target_id`,
      policy: 'volume_extension:quotas:show',
      target: projectOfPath,
      handle: async (request) => {
        const id = parameter(request, 'target_id');
        await declareTypes(core);
        const set = flagOf(request.query.get('usage'), 'usage')
          ? named(await quotas.usage(id, service), usageView)
          : named(await quotas.limits(id, service));
        return { body: { quota_set: { ...set, id } } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:target_id/defaults`,
      policy: 'volume_extension:quotas:show',
      target: projectOfPath,
      handle: async (request) => ({
        body: { quota_set: { ...(await limitsOf('')), id: parameter(request, 'target_id') } },
      }),
    }),
    ...scoped({
      method: 'PUT',
      path: `${path}/:target_id`,
      policy: 'volume_extension:quotas:update',
      target: projectOfPath,
      body: quotaBody,
      handle: async (request) => {
        const id = parameter(request, 'target_id');
        if (!(await core.projects.exists(id)))
          throw volumeFailure('refused', { why: `Project ID ${id} is not a valid project.` });
        await declareTypes(core);
        await quotas.setLimits(id, await wantedLimits(core, id, request.body.quota_set));
        return { body: { quota_set: await limitsOf(id) } };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${path}/:target_id`,
      policy: 'volume_extension:quotas:delete',
      target: projectOfPath,
      handle: async (request) => {
        await quotas.clearLimits(parameter(request, 'target_id'), service);
        return {};
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/os-quota-class-sets/:class_name',
      policy: 'volume_extension:quota_classes:get',
      handle: async (request) => ({
        body: {
          quota_class_set: { ...(await limitsOf('')), id: parameter(request, 'class_name') },
        },
      }),
    }),
    ...scoped({
      method: 'PUT',
      path: '/os-quota-class-sets/:class_name',
      policy: 'volume_extension:quota_classes:update',
      body: classBody,
      handle: async (request) => {
        if (parameter(request, 'class_name') !== 'default')
          throw volumeFailure('refused', { why: 'There is one class of quotas, default.' });
        const { id: _id, class_name: _name, ...limits } = request.body.quota_class_set;
        await declareTypes(core);
        await quotas.setLimits('', await wantedLimits(core, undefined, limits));
        return { body: { quota_class_set: await limitsOf('') } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/limits',
      policy: 'limits_extension:used_limits',
      handle: async (request) => {
        const asked = request.query.get('project_id') ?? request.query.get('tenant_id');
        const caller = callerOf(request);
        const other = caller.isAdmin && request.version.minor >= 39 ? asked : null;
        return {
          body: {
            limits: { rate: [], absolute: await absolute(core, other ?? caller.projectId ?? '') },
          },
        };
      },
    }),
  ];
}

const usageView = (usage: QuotaUsage) => ({
  limit: usage.limit,
  in_use: usage.used,
  // What is being made is counted as used from its first moment on.
  reserved: 0,
  allocated: 0,
});

function named<T, V = T>(
  set: Readonly<Record<string, T>>,
  view: (value: T) => V = (value) => value as unknown as V,
): Record<string, V> {
  const entries = Object.entries(set).map(([resource, value]) => [
    resource.slice(service.length + 1),
    view(value),
  ]);
  return Object.fromEntries(entries);
}

async function declareTypes(core: VolumeCore): Promise<void> {
  const types = await core.db.selectFrom('volume_type').select('name').execute();
  for (const { name } of types) for (const quota of typeQuotas(name)) core.declareQuota(quota);
}

/** Limits that exist, and are not below what is used already. */
async function wantedLimits(
  core: VolumeCore,
  projectId: string | undefined,
  wanted: Readonly<Record<string, unknown>>,
): Promise<Record<string, number>> {
  const usage = await core.quotas.usage(projectId ?? '', service);
  const limits: Record<string, number> = {};
  for (const [name, value] of Object.entries(wanted)) {
    if (name === 'tenant_id' || name === 'force' || name === 'skip_validation') continue;
    const resource = resourceOf(name);
    const present = Object.hasOwn(usage, resource) ? usage[resource] : undefined;
    if (present === undefined)
      throw volumeFailure('refused', { why: `Bad key(s) in quota set: ${name.slice(0, 64)}` });
    const amount = Number(value);
    if (
      projectId !== undefined &&
      amount >= 0 &&
      name !== 'per_volume_gigabytes' &&
      amount < present.used
    )
      throw volumeFailure('refused', {
        why: `Quota ${name} limit must be equal or greater than existing resources. Current usage is ${present.used} and the requested limit is ${amount}.`,
      });
    limits[resource] = amount;
  }
  return limits;
}

const limitNames: Readonly<Record<string, readonly [limit: string, used: string]>> = {
  volumes: ['maxTotalVolumes', 'totalVolumesUsed'],
  gigabytes: ['maxTotalVolumeGigabytes', 'totalGigabytesUsed'],
  snapshots: ['maxTotalSnapshots', 'totalSnapshotsUsed'],
  backups: ['maxTotalBackups', 'totalBackupsUsed'],
  backup_gigabytes: ['maxTotalBackupGigabytes', 'totalBackupGigabytesUsed'],
};

async function absolute(core: VolumeCore, projectId: string): Promise<Record<string, number>> {
  const usage = await core.quotas.usage(projectId, service);
  const limits: Record<string, number> = {};
  for (const [name, [max, used]] of Object.entries(limitNames)) {
    const present = usage[resourceOf(name)];
    if (present === undefined) continue;
    limits[max] = present.limit;
    limits[used] = present.used;
  }
  return limits;
}
