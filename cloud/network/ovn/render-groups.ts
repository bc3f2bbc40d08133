/** Security groups as port groups with ACLs, over one that drops everything else. */
import type { AddressGroup, Port, SecurityGroup, SecurityGroupRule } from '../model/documents.ts';
import { protocols } from '../resources/security-group-rules.ts';
import type { Desired } from './desired.ts';
import type { Model } from './model.ts';

const dropGroup = 'pileus_drop';
const allowPriority = 1_002;
const forgePriority = 1_003;
const dropPriority = 1_001;

export const groupName = (id: string) => `pg_${id.replaceAll('-', '_')}`;
const addressSet = (version: 4 | 6, id: string) => `as_ip${version}_${id.replaceAll('-', '_')}`;

export function renderGroups(desired: Desired, model: Model): void {
  const guarded = [...model.port.values()].filter(
    (port) => port.port_security_enabled && !port.device_owner.startsWith('network:'),
  );
  const members = new Map<string, Port[]>();
  for (const port of guarded)
    for (const id of port.security_groups) members.set(id, [...(members.get(id) ?? []), port]);
  const rules = new Map<string, SecurityGroupRule[]>();
  for (const rule of model.security_group_rule.values())
    rules.set(rule.security_group_id, [...(rules.get(rule.security_group_id) ?? []), rule]);
  renderDrop(desired, guarded);
  for (const group of model.address_group.values()) renderAddresses(desired, group);
  for (const group of model.security_group.values())
    renderGroup(desired, group, members.get(group.id) ?? [], rules.get(group.id) ?? []);
}

function renderGroup(
  desired: Desired,
  group: SecurityGroup,
  members: readonly Port[],
  rules: readonly SecurityGroupRule[],
): void {
  const acls = rules.flatMap(
    (rule) =>
      desired.of({ kind: 'security_group_rule', id: rule.id }, () =>
        renderRule(desired, group, rule),
      ) ?? [],
  );
  const columns = {
    name: groupName(group.id),
    ports: { refs: members.map((port) => `port ${port.id}`) },
    acls: { refs: acls },
  };
  const subject = { kind: 'security_group', id: group.id } as const;
  desired.add('Port_Group', `group ${group.id}`, columns, subject);
}

/** Everything that no group allows, and what a guest must never say however its groups are: it is no DHCP server and no router. */
function renderDrop(desired: Desired, guarded: readonly Port[]): void {
  const from = `inport == @${dropGroup}`;
  const to = `outport == @${dropGroup}`;
  const acl = (
    name: string,
    direction: string,
    priority: number,
    match: string,
    action: string,
    options: Record<string, string> = {},
  ) =>
    desired.add('ACL', `acl drop ${name}`, {
      direction,
      priority,
      match,
      action,
      options: { map: options },
    });
  desired.add('Port_Group', 'group drop', {
    name: dropGroup,
    ports: { refs: guarded.map((port) => `port ${port.id}`) },
    acls: {
      refs: [
        acl('in', 'to-lport', dropPriority, `${to} && ip`, 'drop'),
        acl('out', 'from-lport', dropPriority, `${from} && ip`, 'drop'),
        acl(
          'dhcp',
          'from-lport',
          allowPriority,
          `${from} && ip4 && udp.src == 68 && udp.dst == 67`,
          'allow',
        ),
        acl(
          'dhcp6',
          'from-lport',
          allowPriority,
          `${from} && ip6 && udp.src == 546 && udp.dst == 547`,
          'allow',
        ),
        acl(
          'dhcp server',
          'from-lport',
          forgePriority,
          `${from} && ip4 && udp.src == 67 && udp.dst == 68`,
          'drop',
        ),
        acl(
          'dhcp6 server',
          'from-lport',
          forgePriority,
          `${from} && ip6 && udp.src == 547 && udp.dst == 546`,
          'drop',
        ),
        // Neighbour discovery passes before any ACL but those that stand behind load balancing.
        acl('router advertisement', 'from-lport', forgePriority, `${from} && nd_ra`, 'drop', {
          'apply-after-lb': 'true',
        }),
      ],
    },
  });
}

function renderAddresses(desired: Desired, group: AddressGroup): void {
  for (const version of [4, 6] as const)
    desired.add(
      'Address_Set',
      `addresses ${version} ${group.id}`,
      {
        name: addressSet(version, group.id),
        addresses: { set: group.addresses.filter((one) => one.includes(':') === (version === 6)) },
      },
      { kind: 'address_group', id: group.id },
    );
}

function renderRule(desired: Desired, group: SecurityGroup, rule: SecurityGroupRule): string {
  const inward = rule.direction === 'ingress';
  const columns = {
    direction: inward ? 'to-lport' : 'from-lport',
    priority: allowPriority,
    match: matchOf(group, rule, inward),
    action: group.stateful ? 'allow-related' : 'allow-stateless',
    options: { map: {} },
  };
  const subject = { kind: 'security_group_rule', id: rule.id } as const;
  return desired.add('ACL', `acl ${rule.id}`, columns, subject);
}

function matchOf(group: SecurityGroup, rule: SecurityGroupRule, inward: boolean): string {
  const version = rule.ethertype === 'IPv4' ? 4 : 6;
  const port = `${inward ? 'outport' : 'inport'} == @${groupName(group.id)}`;
  const far = `ip${version}.${inward ? 'src' : 'dst'}`;
  const parts = [port, `ip${version}`];
  if (rule.remote_group_id !== null)
    parts.push(`${far} == $${groupName(rule.remote_group_id)}_ip${version}`);
  else if (rule.remote_address_group_id !== null)
    parts.push(`${far} == $${addressSet(version, rule.remote_address_group_id)}`);
  else if (rule.normalized_cidr !== null && !rule.normalized_cidr.endsWith('/0'))
    parts.push(`${far} == ${rule.normalized_cidr}`);
  return [...parts, ...protocolOf(rule, version)].join(' && ');
}

function protocolOf(rule: SecurityGroupRule, version: 4 | 6): string[] {
  const { protocol, port_range_min: min, port_range_max: max } = rule;
  if (protocol === null || protocol === 'ip') return [];
  const number = /^\d+$/.test(protocol) ? Number(protocol) : (protocols[protocol] ?? 0);
  if (number === 1 || number === 58) {
    const icmp = version === 4 ? 'icmp4' : 'icmp6';
    const type = min === null ? [] : [`${icmp}.type == ${min}`];
    return [icmp, ...type, ...(max === null ? [] : [`${icmp}.code == ${max}`])];
  }
  const name = ({ 6: 'tcp', 17: 'udp', 132: 'sctp' } as Readonly<Record<number, string>>)[number];
  if (name === undefined) return [`ip.proto == ${number}`];
  if (min === null || max === null || (min === 1 && max === 65_535)) return [name];
  return [
    name,
    ...(min === max
      ? [`${name}.dst == ${min}`]
      : [`${name}.dst >= ${min}`, `${name}.dst <= ${max}`]),
  ];
}
