/** Quotas of projects: limits, what is used of them, and going back to the defaults. */
import type { ApiReply, Caller, Route } from '#cloud/api';
import { unlimited } from '#cloud/quotas';
import { type Asker, askerOf, type Request, route } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import type { Input } from '../model/attributes.ts';
import { AnyBody, param } from '../model/routes.ts';
import type { NetworkSettings } from '../settings.ts';

const resources = {
  network: 'networksMax',
  subnet: 'subnetsMax',
  port: 'portsMax',
  router: 'routersMax',
  floatingip: 'floatingIpsMax',
  security_group: 'securityGroupsMax',
  security_group_rule: 'securityGroupRulesMax',
  subnetpool: 'subnetPoolsMax',
  rbac_policy: 'rbacPoliciesMax',
  trunk: 'trunksMax',
} as const satisfies Readonly<Record<string, keyof NetworkSettings>>;

export function declareQuotas(core: NetworkCore): void {
  core.quotas.add(
    Object.entries(resources).map(([name, setting]) => ({
      resource: `network.${name}`,
      defaultLimit: core.settings[setting],
    })),
  );
}

const bare = (name: string) => name.replace('network.', '');

async function limitsOf(core: NetworkCore, project: string): Promise<Record<string, number>> {
  const limits = await core.quotas.limits(project, 'network');
  return Object.fromEntries(Object.entries(limits).map(([name, limit]) => [bare(name), limit]));
}

export function quotaRoutes(core: NetworkCore): Route<Caller>[] {
  const read = (path: string, body: (project: string) => Promise<unknown>) =>
    route({
      method: 'GET',
      path,
      policy: 'any-token',
      handle: async (request) => {
        const project = param(request, 'project_id');
        mayRead(askerOf(request), project);
        return { body: { quota: await body(project) } };
      },
    });
  return [
    route({
      method: 'GET',
      path: '/v2.0/quotas',
      policy: 'get_quota',
      handle: () => listQuotas(core),
    }),
    read('/v2.0/quotas/:project_id', (project) => limitsOf(core, project)),
    read('/v2.0/quotas/:project_id/default', async () => defaultsOf(core)),
    read('/v2.0/quotas/:project_id/details.json', (project) => detailsOf(core, project)),
    read('/v2.0/quotas/:project_id/details', (project) => detailsOf(core, project)),
    route({
      method: 'PUT',
      path: '/v2.0/quotas/:project_id',
      policy: 'update_quota',
      body: AnyBody,
      handle: (request) => setQuotas(core, request),
    }),
    route({
      method: 'DELETE',
      path: '/v2.0/quotas/:project_id',
      policy: 'delete_quota',
      handle: async (request) => {
        await core.quotas.clearLimits(param(request, 'project_id'), 'network');
        return { status: 204 };
      },
    }),
  ];
}

function mayRead(asker: Asker, project: string): void {
  if (asker.may('get_quota') || asker.projectId === project) return;
  throw fail('policy-not-authorized', 'rule:get_quota is disallowed by policy');
}

const defaultsOf = (core: NetworkCore) =>
  Object.fromEntries(
    core.quotas.declared('network').map((one) => [bare(one.resource), one.defaultLimit]),
  );

async function detailsOf(core: NetworkCore, project: string): Promise<unknown> {
  const usage = await core.quotas.usage(project, 'network');
  return Object.fromEntries(
    Object.entries(usage).map(([name, { limit, used }]) => [
      bare(name),
      { limit, used, reserved: 0 },
    ]),
  );
}

/** Only the projects that somebody set limits for. */
async function listQuotas(core: NetworkCore): Promise<ApiReply> {
  const rows = await core.state.db
    .$extendTables<{ quota_limit: { scope: string; resource: string } }>()
    .selectFrom('quota_limit')
    .select('scope')
    .distinct()
    .where('scope', '<>', '')
    .execute();
  const quotas = [];
  for (const { scope } of rows) {
    const limits = await limitsOf(core, scope);
    if (JSON.stringify(limits) === JSON.stringify(defaultsOf(core))) continue;
    quotas.push({ ...limits, project_id: scope, tenant_id: scope });
  }
  return { body: { quotas } };
}

async function setQuotas(core: NetworkCore, request: Request): Promise<ApiReply> {
  const project = param(request, 'project_id');
  const given = (request.body as Input).quota;
  if (typeof given !== 'object' || given === null)
    throw badRequest("Unable to find 'quota' in request body");
  const { force, check_limit: check, ...wanted } = given as Input;
  const limits: Record<string, number> = {};
  for (const [name, value] of Object.entries(wanted)) {
    if (!Object.hasOwn(resources, name))
      throw badRequest(`Unrecognized attribute(s) '${name.slice(0, 64)}'`);
    const number = typeof value === 'string' && /^-?\d{1,10}$/.test(value) ? Number(value) : value;
    if (
      typeof number !== 'number' ||
      !Number.isInteger(number) ||
      number < -1 ||
      number > 2_147_483_647
    )
      throw badRequest(
        `Invalid input for ${name}. Reason: '${String(value).slice(0, 64)}' is not an integer of at least -1.`,
      );
    limits[`network.${name}`] = number;
  }
  if (isOn(check) && !isOn(force)) await checkUsage(core, project, limits);
  await core.quotas.setLimits(project, limits);
  return { body: { quota: await limitsOf(core, project) } };
}

const isOn = (value: unknown) => value === true || value === 'True' || value === 'true';

async function checkUsage(
  core: NetworkCore,
  project: string,
  limits: Readonly<Record<string, number>>,
): Promise<void> {
  const usage = await core.quotas.usage(project, 'network');
  for (const [name, limit] of Object.entries(limits)) {
    const used = usage[name]?.used ?? 0;
    if (limit !== unlimited && used > limit)
      throw fail(
        'invalid-quota-value',
        `Change would make usage less than 0 for the following resources: ['${bare(name)}'].`,
      );
  }
}
