/** Rules of security groups. */
import { parseCidr, renderCidr } from '../addresses/ip.ts';
import type { Db, NetworkCore, Tx } from '../core.ts';
import { fail } from '../failures.ts';
import {
  atStart,
  type Input,
  type Reader,
  required,
  shown,
  standard,
} from '../model/attributes.ts';
import type { SecurityGroup, SecurityGroupRule } from '../model/documents.ts';
import { name, oneOf, orNull, text, uuid } from '../model/readers.ts';
import type { Change, Resource, TargetOf, View } from '../model/resource.ts';
import { mayUse } from '../model/sharing.ts';
import { plainView } from '../model/views.ts';

/** Name → IP protocol number. */
export const protocols: Readonly<Record<string, number>> = {
  ah: 51,
  dccp: 33,
  egp: 8,
  esp: 50,
  gre: 47,
  hopopt: 0,
  icmp: 1,
  igmp: 2,
  ip: 0,
  ipip: 4,
  'ipv6-encap': 41,
  'ipv6-frag': 44,
  'ipv6-icmp': 58,
  icmpv6: 58,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  'ipv6-route': 43,
  ospf: 89,
  pgm: 113,
  rsvp: 46,
  sctp: 132,
  tcp: 6,
  udp: 17,
  udplite: 136,
  vrrp: 112,
};

const withPorts = ['tcp', 'udp', 'sctp', 'dccp', 'udplite', '6', '17', '132', '33', '136'];
const icmps = ['icmp', 'ipv6-icmp', 'icmpv6', '1', '58'];

const protocol: Reader = (value) => {
  if (value === null || value === '' || value === 'any') return null;
  const word = String(value).toLowerCase();
  if (/^\d{1,3}$/.test(word) && Number(word) <= 255) return String(Number(word));
  if ((typeof value === 'string' || typeof value === 'number') && Object.hasOwn(protocols, word))
    return word;
  const known = Object.keys(protocols)
    .map((one) => `'${one}'`)
    .join(', ');
  throw fail(
    'security-group-rule-invalid-protocol',
    `Security group rule protocol ${word.slice(0, 64)} not supported. Only protocol values [None, ${known}] and integer representations [0 to 255] are supported.`,
  );
};

const ethertype: Reader = (value) => {
  const word = String(value).toLowerCase();
  if (word === 'ipv4') return 'IPv4';
  if (word === 'ipv6') return 'IPv6';
  throw fail(
    'security-group-rule-invalid-ether-type',
    `Security group rule for ethertype '${word.slice(0, 64)}' not supported. Allowed values are ['IPv4', 'IPv6'].`,
  );
};

const port: Reader = (value) => {
  if (value === null) return null;
  const number = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 65_535)
    return number;
  throw fail('invalid-input', `Invalid value for port ${String(value).slice(0, 64)}`);
};

/** Host bits stay as they were given; `normalized_cidr` has none. */
const prefix: Reader = (value) => {
  if (value === null || value === '') return null;
  const cidr = typeof value === 'string' ? parseCidr(value) : undefined;
  if (cidr === undefined)
    throw fail('invalid-input', `The value ${String(value).slice(0, 64)} is not in CIDR format.`);
  return String(value).includes('/') ? value : `${value}/${cidr.prefixLength}`;
};

const attributes = {
  ...standard(name),
  name: { ...shown(), hidden: true, filter: false },
  security_group_id: required(uuid),
  direction: required(oneOf(['ingress', 'egress'])),
  ethertype: atStart(ethertype, 'IPv4'),
  protocol: atStart(protocol, null),
  port_range_min: atStart(port, null),
  port_range_max: atStart(port, null),
  remote_ip_prefix: atStart(prefix, null),
  // Whatever it is: one that names no group is not found, as in the reference.
  remote_group_id: atStart(orNull(text(255)), null),
  remote_address_group_id: atStart(orNull(uuid), null),
  normalized_cidr: shown(),
};

export const ruleView = (rule: SecurityGroupRule): View => plainView(attributes, rule);

export function securityGroupRules(core: NetworkCore): Resource<'security_group_rule'> {
  return {
    kind: 'security_group_rule',
    member: 'security_group_rule',
    collection: 'security_group_rules',
    path: '/v2.0/security-group-rules',
    rule: 'security_group_rule',
    attributes,
    indexed: { security_group_id: 'security_group_id', remote_group_id: 'remote_group_id' },
    views: async (_, documents) => documents.map(ruleView),
    targets: (db, documents) => groupTargets(core, db, documents),
    create: (tx, values, change) => createRule(core, tx, values, change),
    remove: async (tx, rule) => {
      await core.touch(tx, 'security_group', rule.security_group_id);
      await core.remove(tx, rule);
    },
  };
}

async function groupTargets(
  core: NetworkCore,
  db: Db,
  documents: readonly TargetOf<'security_group_rule'>[],
): Promise<View[]> {
  const ids = [...new Set(documents.map((rule) => String(rule.security_group_id)))];
  const groups = new Map(
    (await core.list(db, 'security_group', { ids })).map((one) => [one.id, one]),
  );
  return documents.map((rule) => ({
    'security_group:project_id': groups.get(String(rule.security_group_id))?.project_id,
  }));
}

async function createRule(
  core: NetworkCore,
  tx: Tx,
  values: Input,
  { asker }: Change,
): Promise<SecurityGroupRule> {
  const rule = values as unknown as SecurityGroupRule;
  const group = await usableGroup(core, tx, rule.security_group_id, rule.project_id, asker.isAdmin);
  checkPorts(rule);
  checkRemote(rule);
  if (rule.remote_group_id !== null) {
    const remote = await core.find(tx, 'security_group', rule.remote_group_id);
    if (remote === undefined || !(await mayUse(core, tx, remote, 'security_group', asker)))
      throw fail(
        'security-group-not-found',
        `Security group ${rule.remote_group_id} does not exist`,
      );
  }
  if (rule.remote_address_group_id !== null) {
    const remote = await core.find(tx, 'address_group', rule.remote_address_group_id);
    if (remote === undefined || !(await mayUse(core, tx, remote, 'address_group', asker)))
      throw fail(
        'address-group-not-found',
        `Address group ${rule.remote_address_group_id} could not be found.`,
      );
  }
  await checkNew(core, tx, rule);
  const cidr = rule.remote_ip_prefix === null ? undefined : parseCidr(rule.remote_ip_prefix);
  const made = await core.insert(tx, 'security_group_rule', {
    ...rule,
    id: core.newId(),
    project_id: group.project_id,
    normalized_cidr: cidr === undefined ? null : renderCidr(cidr),
  });
  await core.count(tx, 'security_group_rule', made);
  await core.touch(tx, 'security_group', group.id);
  return made;
}

async function usableGroup(
  core: NetworkCore,
  tx: Tx,
  id: string,
  projectId: string,
  isAdmin: boolean,
): Promise<SecurityGroup> {
  const group = await core.find(tx, 'security_group', id);
  if (group === undefined || (!isAdmin && group.project_id !== projectId))
    throw fail('security-group-not-found', `Security group ${id} does not exist`);
  return group;
}

function checkPorts(rule: SecurityGroupRule): void {
  const { protocol: wanted, port_range_min: min, port_range_max: max, ethertype: ether } = rule;
  const sixOnly = [
    'ipv6-encap',
    'ipv6-frag',
    'ipv6-icmp',
    'ipv6-nonxt',
    'ipv6-opts',
    'ipv6-route',
    'icmpv6',
    '41',
    '44',
    '58',
    '59',
    '60',
    '43',
  ];
  if (ether === 'IPv4' && wanted !== null && sixOnly.includes(wanted))
    throw fail(
      'security-group-ethertype-conflict-with-protocol',
      `Invalid ethertype ${ether} for protocol ${wanted}.`,
    );
  if (min === null && max === null) return;
  if (wanted === null)
    throw fail(
      'security-group-protocol-required-with-ports',
      'Must also specify protocol if port range is given.',
    );
  if (icmps.includes(wanted)) {
    for (const [field, value, what] of [
      ['port_range_min', min, 'type'],
      ['port_range_max', max, 'code'],
    ] as const)
      if (value !== null && value > 255)
        throw fail(
          'security-group-invalid-icmp-value',
          `Invalid value for ICMP ${what} (${field}) ${value}. It must be 0 to 255.`,
        );
    if (min === null)
      throw fail(
        'security-group-missing-icmp-type',
        `ICMP code (port-range-max) ${max} is provided but ICMP type (port-range-min) is missing.`,
      );
    return;
  }
  if (!withPorts.includes(wanted))
    throw fail(
      'security-group-invalid-protocol-for-port',
      `Ports cannot be specified for protocol ${wanted}. Ports are only supported for [${withPorts.map((one) => `'${one}'`).join(', ')}].`,
    );
  if (min === null || max === null || min > max || min === 0)
    throw fail(
      'security-group-invalid-port-range',
      'For TCP/UDP protocols, port_range_min must be <= port_range_max',
    );
}

function checkRemote(rule: SecurityGroupRule): void {
  const given = [rule.remote_group_id, rule.remote_ip_prefix, rule.remote_address_group_id];
  if (given.filter((one) => one !== null).length > 1)
    throw fail(
      'security-group-multiple-remote-entites',
      'Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.',
    );
  const { remote_ip_prefix: cidr, ethertype: ether } = rule;
  if (cidr !== null && cidr.includes(':') !== (ether === 'IPv6'))
    throw fail(
      'security-group-rule-parameter-conflict',
      `Conflicting value ethertype ${ether} for CIDR ${cidr}`,
    );
}

const identifying = [
  'direction',
  'ethertype',
  'protocol',
  'port_range_min',
  'port_range_max',
  'remote_group_id',
  'remote_ip_prefix',
  'remote_address_group_id',
] as const;

async function checkNew(core: NetworkCore, tx: Tx, rule: SecurityGroupRule): Promise<void> {
  const present = await core.list(tx, 'security_group_rule', {
    by: { security_group_id: rule.security_group_id },
  });
  const same = present.find((one) => identifying.every((member) => one[member] === rule[member]));
  if (same !== undefined)
    throw fail(
      'security-group-rule-exists',
      `Security group rule already exists. Rule id is ${same.id}.`,
    );
}
