/** Subnets: a network's addresses, and what DHCP says to its guests. */
import { giveBack, givesItself } from '../addresses/allocation.ts';
import { cidrOf, contains, overlaps, parseIp, renderIp, versionOf } from '../addresses/ip.ts';
import { checkPools, poolsFor } from '../addresses/pools.ts';
import { takeFromPool } from '../addresses/subnet-pools.ts';
import type { Asker } from '../caller.ts';
import type { Db, NetworkCore, Tx } from '../core.ts';
import { fail, invalid } from '../failures.ts';
import {
  atStart,
  decided,
  type Input,
  open,
  required,
  shown,
  standard,
} from '../model/attributes.ts';
import type { Network, Subnet } from '../model/documents.ts';
import { notFound } from '../model/not-found.ts';
import {
  cidr,
  flag,
  ip,
  listOf,
  name,
  oneOf,
  orNull,
  record,
  text,
  toNumber,
  uuid,
  whole,
} from '../model/readers.ts';
import type { Change, Resource, TargetOf, View } from '../model/resource.ts';
import { mayUse, sharedWith } from '../model/sharing.ts';
import { plainView } from '../model/views.ts';
import { removePort } from './ports/removing.ts';
import { ensureServicePort } from './ports/service-port.ts';

const modes = orNull(oneOf(['dhcpv6-stateful', 'dhcpv6-stateless', 'slaac']));
const poolReader = record({
  start: { read: ip, required: true },
  end: { read: ip, required: true },
});
const routeReader = record({
  destination: { read: cidr, required: true },
  nexthop: { read: ip, required: true },
});

const attributes = {
  ...standard(name),
  network_id: required(uuid),
  ip_version: required(oneOf([4, 6], toNumber)),
  cidr: decided(orNull(cidr)),
  subnetpool_id: decided(orNull(text(36))),
  use_default_subnetpool: { ...decided(flag), hidden: true, filter: false },
  prefixlen: { ...decided(whole(0, 128)), hidden: true, filter: false },
  gateway_ip: decided(orNull(ip), { put: true }),
  allocation_pools: decided(listOf(poolReader, 64), { put: true, filter: false, sort: false }),
  dns_nameservers: open(listOf(ip, 5), [], { filter: false, sort: false }),
  host_routes: open(listOf(routeReader, 20), [], { filter: false, sort: false }),
  enable_dhcp: open(flag, true),
  ipv6_ra_mode: atStart(modes, null),
  ipv6_address_mode: atStart(modes, null),
  service_types: open(listOf(text(255), 16), [], { filter: false, sort: false }),
  dns_publish_fixed_ip: open(flag, false),
  segment_id: open(orNull(uuid), null),
  shared: shown({ sort: false }),
};

export function subnets(core: NetworkCore): Resource<'subnet'> {
  return {
    kind: 'subnet',
    member: 'subnet',
    collection: 'subnets',
    path: '/v2.0/subnets',
    rule: 'subnet',
    attributes,
    indexed: { network_id: 'network_id', name: 'name', subnetpool_id: 'subnetpool_id' },
    views: (db, documents, asker) => subnetViews(core, db, documents, asker),
    targets: async (db, documents, asker) => {
      // Whoever may not see the network is not told that somebody else may number it.
      for (const { id, network_id } of documents)
        if (id === undefined) await visibleNetwork(core, db, String(network_id), asker);
      return await networkTargets(core, db, documents, asker);
    },
    alsoVisible: async (db, asker) => {
      const shared = await sharedWith(core, db, 'network', asker.projectId);
      const ids = [...shared].filter(([, how]) => how.has('access_as_shared')).map(([id]) => id);
      const own =
        asker.projectId === undefined
          ? []
          : await core.list(db, 'network', { projectId: asker.projectId });
      return [{ by: { network_id: [...ids, ...own.map(({ id }) => id)] } }];
    },
    create: (tx, values, change) => createSubnet(core, tx, values, change),
    update: (tx, before, values) => updateSubnet(core, tx, before, values),
    remove: (tx, subnet) => removeSubnet(core, tx, subnet),
    // Two that overlap, or two from one pool, must not be made at once.
    lock: () => 'network subnets',
  };
}

async function subnetViews(
  core: NetworkCore,
  db: Db,
  documents: readonly Subnet[],
  asker: Asker,
): Promise<View[]> {
  const shared = await sharedWith(core, db, 'network', asker.projectId);
  return documents.map((subnet) => ({
    ...plainView(attributes, subnet),
    shared: shared.get(subnet.network_id)?.has('access_as_shared') === true,
  }));
}

/** Who owns the network that something is on. */
export async function networkTargets(
  core: NetworkCore,
  db: Db,
  documents: readonly TargetOf<'subnet' | 'port'>[],
  asker: Asker,
): Promise<View[]> {
  const ids = [...new Set(documents.map((one) => String(one.network_id)))];
  const found = new Map((await core.list(db, 'network', { ids })).map((one) => [one.id, one]));
  const shared = await sharedWith(core, db, 'network', asker.projectId);
  return documents.map((one) => ({
    'network:project_id': found.get(String(one.network_id))?.project_id,
    shared: shared.get(String(one.network_id))?.has('access_as_shared') === true,
  }));
}

/** A network that the asker may see; another one is not there. */
export async function visibleNetwork(
  core: NetworkCore,
  db: Db,
  id: string,
  asker: Asker,
): Promise<Network> {
  const network = await core.find(db, 'network', id);
  if (network === undefined || !(await mayUse(core, db, network, 'network', asker)))
    throw notFound('network', id);
  return network;
}

async function createSubnet(
  core: NetworkCore,
  tx: Tx,
  values: Input,
  { asker }: Change,
): Promise<Subnet> {
  const {
    prefixlen,
    use_default_subnetpool: byDefault,
    ...rest
  } = values as Input & Partial<Subnet> & { prefixlen?: number; use_default_subnetpool?: boolean };
  const given = rest as Partial<Subnet> & Input;
  const id = core.newId();
  const network = await visibleNetwork(core, tx, String(given.network_id), asker);
  const version = given.ip_version === 6 ? 6 : 4;
  const fromPool = given.cidr == null || given.subnetpool_id != null || byDefault === true;
  const taken = fromPool
    ? await takeFromPool(core, tx, {
        id,
        version,
        asker,
        poolId: given.subnetpool_id ?? undefined,
        byDefault: byDefault === true,
        cidr: given.cidr ?? undefined,
        prefixLength: prefixlen,
      })
    : { cidr: String(given.cidr), poolId: null };
  if (versionOf(taken.cidr) !== version)
    throw fail(
      'bad-request',
      `Bad subnets request: Provided ip_version '${version}' does not match the requested cidr.`,
    );
  await checkFree(core, tx, network, taken.cidr);
  const gateway = gatewayOf(given, taken.cidr);
  checkModes(given, version, taken.cidr);
  const subnet: Subnet = {
    ...(given as Subnet),
    id,
    cidr: taken.cidr,
    subnetpool_id: taken.poolId,
    gateway_ip: gateway,
    allocation_pools: given.allocation_pools ?? poolsFor(taken.cidr, gateway),
    project_id: String(given.project_id),
  };
  checkShape(subnet);
  const made = await core.insert(tx, 'subnet', subnet);
  await core.count(tx, 'subnet', made);
  await core.touch(tx, 'network', network.id);
  await ensureServicePort(core, tx, network, made);
  return made;
}

async function checkFree(
  core: NetworkCore,
  tx: Tx,
  network: Network,
  wanted: string,
): Promise<void> {
  const others = await core.list(tx, 'subnet', { by: { network_id: network.id } });
  const other = others.find((one) => overlaps(cidrOf(one.cidr), cidrOf(wanted)));
  if (other !== undefined)
    throw fail(
      'invalid-input',
      `Invalid input for operation: Requested subnet with cidr: ${wanted} for network: ${network.id} overlaps with another subnet.`,
    );
}

function gatewayOf(given: Partial<Subnet>, text: string): string | null {
  if (given.gateway_ip !== undefined) return given.gateway_ip;
  const prefix = cidrOf(text);
  const first =
    prefix.version === 6 && prefix.prefixLength >= 127 ? prefix.first : prefix.first + 1n;
  if (prefix.version === 4 && prefix.prefixLength === 32) return null;
  return renderIp(prefix.version, first);
}

function checkModes(given: Partial<Subnet>, version: 4 | 6, text: string): void {
  const { ipv6_ra_mode: ra = null, ipv6_address_mode: mode = null } = given;
  if (ra === null && mode === null) return;
  if (version === 4)
    throw invalid('ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4.');
  if (given.enable_dhcp === false)
    throw fail(
      'bad-request',
      'Bad subnets request: ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.',
    );
  if (ra !== null && mode !== null && ra !== mode)
    throw invalid(
      `ipv6_ra_mode set to '${ra}' with ipv6_address_mode set to '${mode}' is not valid. If both attributes are set, they must be the same value`,
    );
  const own = [ra, mode].some((one) => one === 'slaac' || one === 'dhcpv6-stateless');
  if (own && cidrOf(text).prefixLength !== 64)
    throw invalid(
      `Invalid CIDR ${text} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64`,
    );
}

function checkShape(subnet: Subnet): void {
  const prefix = cidrOf(subnet.cidr);
  if (subnet.enable_dhcp && prefix.version === 4 && prefix.prefixLength > 30)
    throw invalid('Subnet with CIDR prefix length of 31 or 32 cannot enable DHCP: use --no-dhcp.');
  if (prefix.first >> 28n === 0xen && prefix.version === 4)
    throw invalid(`Multicast IP subnet is not supported if enable_dhcp is True.`);
  if (subnet.gateway_ip !== null) {
    const gateway = parseIp(subnet.gateway_ip);
    if (gateway === undefined || gateway.version !== prefix.version)
      throw invalid(
        `gateway_ip '${subnet.gateway_ip}' does not match the ip_version '${subnet.ip_version}'`,
      );
    const edge =
      prefix.version === 4 &&
      prefix.prefixLength < 31 &&
      (gateway.value === prefix.first || gateway.value === prefix.last);
    if (edge && contains(prefix, gateway)) throw invalid('Gateway is not valid on subnet');
  }
  for (const server of subnet.dns_nameservers)
    if (versionOf(server) !== prefix.version && prefix.version === 4)
      throw invalid(
        `dns_nameserver '${server}' does not match the ip_version '${subnet.ip_version}'`,
      );
  for (const { destination, nexthop } of subnet.host_routes)
    if (versionOf(destination) !== prefix.version || versionOf(nexthop) !== prefix.version)
      throw invalid(
        `host_routes '${destination}' do not match the ip_version '${subnet.ip_version}'`,
      );
  checkPools(subnet);
}

async function updateSubnet(
  core: NetworkCore,
  tx: Tx,
  before: Subnet,
  values: Input,
): Promise<Subnet> {
  const given = values as Partial<Subnet>;
  const wanted: Subnet = { ...before, ...given };
  checkShape(wanted);
  if (given.gateway_ip !== undefined && given.gateway_ip !== before.gateway_ip) {
    const ports = await core.list(tx, 'port', { by: { subnet_id: before.id } });
    const holder = ports.find(
      (port) =>
        port.device_owner.startsWith('network:router_interface') &&
        port.fixed_ips.some((fixed) => fixed.ip_address === before.gateway_ip),
    );
    if (holder !== undefined)
      throw fail(
        'gateway-ip-in-use',
        `Current gateway ip ${before.gateway_ip} already in use by port ${holder.id}. Unable to update.`,
      );
  }
  const after = await core.update(tx, 'subnet', before, given);
  await core.touch(tx, 'network', before.network_id);
  const network = await core.get(tx, 'network', before.network_id);
  await ensureServicePort(core, tx, network, after);
  return after;
}

/** An address that follows from the prefix and a MAC goes with the subnet, as it came with it; one that was given out keeps it. */
async function removeSubnet(core: NetworkCore, tx: Tx, subnet: Subnet): Promise<void> {
  const ports = await core.list(tx, 'port', { by: { subnet_id: subnet.id } });
  const inUse = ports.filter(
    ({ device_owner: owner }) =>
      owner !== 'network:distributed' &&
      (!givesItself(subnet) || owner.startsWith('network:router_')),
  );
  if (inUse.length > 0)
    throw fail(
      'subnet-in-use',
      `Unable to complete operation on subnet ${subnet.id}: One or more ports have an IP allocation from this subnet.`,
    );
  for (const port of ports) {
    const left = port.fixed_ips.filter((fixed) => fixed.subnet_id !== subnet.id);
    if (left.length === 0 && port.device_owner === 'network:distributed')
      await removePort(core, tx, port);
    else {
      for (const fixed of port.fixed_ips)
        if (fixed.subnet_id === subnet.id) await giveBack(tx, fixed, port.id);
      await core.update(tx, 'port', port, { fixed_ips: left });
    }
  }
  await core.remove(tx, subnet);
  await core.touch(tx, 'network', subnet.network_id);
}
