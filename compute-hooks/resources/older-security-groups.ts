/** Security groups as versions before 2.36 have them, and clients still look them up: the network service's, in Nova's words. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, parameter, projectOf, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { ask, type Question } from '../service-calls.ts';

interface Rule {
  readonly id: string;
  readonly security_group_id: string;
  readonly direction: string;
  readonly protocol: string | null;
  readonly port_range_min: number | null;
  readonly port_range_max: number | null;
  readonly remote_ip_prefix: string | null;
  readonly remote_group_id: string | null;
  readonly ethertype: string;
}

interface Group {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly project_id: string;
  readonly security_group_rules: readonly Rule[];
}

const until = { until: '2.35' } as const;
const described = fields.object({ name: fields.name, description: fields.optional(fields.text) });
const port = fields.optional(
  Type.Union([Type.Integer(), Type.String({ pattern: '^-?[0-9]{1,9}$' })]),
);
const newRule = fields.object({
  parent_group_id: Type.String({ maxLength: 64 }),
  ip_protocol: fields.optional(Type.String({ maxLength: 16 })),
  from_port: port,
  to_port: port,
  cidr: fields.optional(Type.String({ maxLength: 64 })),
  group_id: fields.optional(Type.String({ maxLength: 64 })),
});

const asked = (method: Question['method'], path: string, body?: object): Question => ({
  ...{ service: 'network', method, path: `/v2.0${path}` },
  ...(body === undefined ? {} : { body }),
});

export function olderSecurityGroupRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [...groupRoutes(core), ...ruleRoutes(core)];
}

function groupRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const policy = 'os_compute_api:os-security-groups';
  const path = '/os-security-groups';
  const one = async (request: Request): Promise<Group> => {
    const id = idIn(request, 'group_id');
    const { security_group: group } = await ask(
      core,
      request,
      asked('GET', `/security-groups/${id}`),
    );
    return group as Group;
  };
  const reply = async (request: Request, group: Group) => ({
    body: { security_group: view(group, await namesOf(core, request, [group])) },
  });
  return [
    compute({
      method: 'GET',
      path,
      policy,
      versions: until,
      handle: async (request) => {
        const all = request.query.get('all_tenants') !== null && request.caller?.isAdmin === true;
        const scope = all ? '' : `?project_id=${projectOf(request)}`;
        const { security_groups: groups } = (await ask(
          core,
          request,
          asked('GET', `/security-groups${scope}`),
        )) as { readonly security_groups: readonly Group[] };
        const names = await namesOf(core, request, groups);
        return { body: { security_groups: groups.map((group) => view(group, names)) } };
      },
    }),
    compute({
      method: 'POST',
      path,
      policy,
      versions: until,
      body: fields.object({ security_group: described }),
      handle: async (request) => {
        const { name, description } = request.body.security_group;
        const { security_group: made } = await ask(
          core,
          request,
          asked('POST', '/security-groups', {
            security_group: { name: name.trim(), description: description ?? '' },
          }),
        );
        return await reply(request, made as Group);
      },
    }),
    compute({
      method: 'GET',
      path: `${path}/:group_id`,
      policy,
      versions: until,
      handle: async (request) => await reply(request, await one(request)),
    }),
    compute({
      method: 'PUT',
      path: `${path}/:group_id`,
      policy,
      versions: until,
      body: fields.object({ security_group: described }),
      handle: async (request) => {
        const { id } = await one(request);
        const { name, description } = request.body.security_group;
        const { security_group: changed } = await ask(
          core,
          request,
          asked('PUT', `/security-groups/${id}`, {
            security_group: { name: name.trim(), description: description ?? '' },
          }),
        );
        return await reply(request, changed as Group);
      },
    }),
    compute({
      method: 'DELETE',
      path: `${path}/:group_id`,
      policy,
      versions: until,
      handle: async (request) => {
        const { id, name } = await one(request);
        if (name === 'default') throw refused("Unable to delete system group 'default'");
        await ask(core, request, asked('DELETE', `/security-groups/${id}`));
        return { status: 202 };
      },
    }),
  ];
}

function ruleRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const policy = 'os_compute_api:os-security-groups';
  const path = '/os-security-group-rules';
  return [
    compute({
      method: 'POST',
      path,
      policy,
      versions: until,
      body: fields.object({ security_group_rule: newRule }),
      handle: async (request) => {
        const wanted = request.body.security_group_rule;
        const isId = new RegExp(fields.uuidPattern).test(wanted.parent_group_id);
        if (!isId) throw refused('Parent group id is not uuid');
        const { security_group_rule: made } = await ask(
          core,
          request,
          asked('POST', '/security-group-rules', { security_group_rule: ruleOf(wanted) }),
        );
        const rule = made as Rule;
        const group = { security_group_rules: [rule] };
        const names = await namesOf(core, request, [group]);
        return { body: { security_group_rule: ruleView(rule, names) } };
      },
    }),
    compute({
      method: 'DELETE',
      path: `${path}/:rule_id`,
      policy,
      versions: until,
      handle: async (request) => {
        const id = idIn(request, 'rule_id');
        await ask(core, request, asked('DELETE', `/security-group-rules/${id}`));
        return { status: 202 };
      },
    }),
  ];
}

function idIn(request: Request, name: string): string {
  const id = parameter(request, name);
  if (new RegExp(fields.uuidPattern).test(id)) return id;
  throw computeFailure('missing', { why: `Security group ${id.slice(0, 64)} not found.` });
}

/** What Nova asks of a rule before it asks the network service. */
function ruleOf(wanted: Type.Static<typeof newRule>): object {
  const protocol = wanted.ip_protocol?.toLowerCase() ?? null;
  if (protocol !== null && !['tcp', 'udp', 'icmp'].includes(protocol))
    throw refused(`Invalid IP protocol ${wanted.ip_protocol}.`);
  const [from, to] = [wanted.from_port, wanted.to_port].map((value) =>
    value === undefined || value === null ? -1 : Number(value),
  ) as [number, number];
  const isPort = protocol === 'tcp' || protocol === 'udp';
  if (isPort && (from < 1 || to > 65_535 || from > to))
    throw refused(`Invalid port range ${from}:${to}. Valid TCP ports should be between 1-65535`);
  const cidr = wanted.cidr ?? null;
  return {
    security_group_id: wanted.parent_group_id,
    direction: 'ingress',
    ethertype: cidr?.includes(':') ? 'IPv6' : 'IPv4',
    ...(protocol === null ? {} : { protocol }),
    ...(from < 0 ? {} : { port_range_min: from }),
    ...(to < 0 ? {} : { port_range_max: to }),
    ...(wanted.group_id ? { remote_group_id: wanted.group_id } : { remote_ip_prefix: cidr }),
  };
}

/** Groups that rules speak of are shown by name. */
async function namesOf(
  core: ComputeCore,
  request: Request,
  groups: readonly Pick<Group, 'security_group_rules'>[],
): Promise<ReadonlyMap<string, Group>> {
  const ids = new Set(
    groups.flatMap(({ security_group_rules: rules }) =>
      rules.flatMap(({ remote_group_id: id }) => (id === null ? [] : [id])),
    ),
  );
  if (ids.size === 0) return new Map();
  const query = new URLSearchParams([...ids].map((id): [string, string] => ['id', id]));
  const { security_groups: named } = (await ask(
    core,
    request,
    asked('GET', `/security-groups?${query}`),
  )) as { readonly security_groups: readonly Group[] };
  return new Map(named.map((group) => [group.id, group]));
}

function view(group: Group, names: ReadonlyMap<string, Group>) {
  const rules = group.security_group_rules.filter(({ direction }) => direction === 'ingress');
  return {
    id: group.id,
    name: group.name,
    description: group.description,
    tenant_id: group.project_id,
    rules: rules.map((rule) => ruleView(rule, names)),
  };
}

function ruleView(rule: Rule, names: ReadonlyMap<string, Group>) {
  const remote = names.get(rule.remote_group_id ?? '');
  const any = rule.ethertype === 'IPv6' ? '::/0' : '0.0.0.0/0';
  // Without ports everything of a protocol is meant, which Nova writes out.
  const [least, most] = rule.protocol === 'icmp' ? [-1, -1] : [1, 65_535];
  return {
    id: rule.id,
    parent_group_id: rule.security_group_id,
    ip_protocol: rule.protocol,
    from_port: rule.protocol === null ? null : (rule.port_range_min ?? least),
    to_port: rule.protocol === null ? null : (rule.port_range_max ?? most),
    ip_range: rule.remote_group_id === null ? { cidr: rule.remote_ip_prefix ?? any } : {},
    group: remote === undefined ? {} : { name: remote.name, tenant_id: remote.project_id },
  };
}
