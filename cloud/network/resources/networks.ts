/** Networks: broadcast domains of a project, shared with others by RBAC, external ones by which routers reach the world. */
import { mtuOf, takeSegment } from '../addresses/segments.ts';
import type { Asker } from '../caller.ts';
import type { Db, NetworkCore, Tx } from '../core.ts';
import { fail, invalid } from '../failures.ts';
import { atStart, decided, type Input, open, shown, standard } from '../model/attributes.ts';
import type { Network } from '../model/documents.ts';
import {
  dnsDomain,
  flag,
  listOf,
  name,
  oneOf,
  orNull,
  text,
  toNumber,
  uuid,
  whole,
} from '../model/readers.ts';
import type { Change, Resource, View } from '../model/resource.ts';
import { sharedWith } from '../model/sharing.ts';
import { plainView } from '../model/views.ts';
import { ensureDefaultGroup } from './default-group.ts';
import { removeFloating } from './floating-ips.ts';
import { removePort } from './ports/removing.ts';
import { checkQos } from './qos-choice.ts';
import { shareWith, unshare } from './rbac-grants.ts';

const segmentId = orNull((value) => whole(1, 16_777_215)(toNumber(value)));

export const networkAttributes = {
  ...standard(name),
  admin_state_up: open(flag, true),
  status: shown(),
  shared: open(flag, false, { sort: false }),
  'router:external': open(flag, false, { sort: false }),
  subnets: shown({ filter: false, sort: false }),
  mtu: decided(whole(0, 65_535), { put: true }),
  port_security_enabled: open(flag, true),
  is_default: open(flag, false),
  'provider:network_type': decided(orNull(text(32))),
  'provider:physical_network': decided(orNull(text(64))),
  'provider:segmentation_id': decided(segmentId),
  availability_zone_hints: atStart(listOf(text(255), 16), []),
  availability_zones: shown({ filter: false }),
  dns_domain: open(dnsDomain, ''),
  qos_policy_id: open(orNull(uuid), null),
  vlan_transparent: atStart(orNull(oneOf([0, 1, 'false'], (value) => (flag(value) ? 1 : 0))), null),
  ipv4_address_scope: shown(),
  ipv6_address_scope: shown(),
  l2_adjacency: shown(),
};

export function networks(core: NetworkCore): Resource<'network'> {
  return {
    kind: 'network',
    member: 'network',
    collection: 'networks',
    path: '/v2.0/networks',
    rule: 'network',
    attributes: networkAttributes,
    sharedAs: 'network',
    indexed: { name: 'name' },
    views: (db, documents, asker) => networkViews(core, db, documents, asker),
    create: (tx, values, change) => createNetwork(core, tx, values, change),
    update: (tx, before, values, change) => updateNetwork(core, tx, before, values, change),
    remove: (tx, network) => removeNetwork(core, tx, network),
    lock: () => 'network segments',
  };
}

async function networkViews(
  core: NetworkCore,
  db: Db,
  documents: readonly Network[],
  asker: Asker,
): Promise<View[]> {
  const shared = await sharedWith(core, db, 'network', asker.projectId);
  const ids = documents.map(({ id }) => id);
  const subnets = await core.list(
    db,
    'subnet',
    ids.length === 1 ? { by: { network_id: ids } } : {},
  );
  const scopes = await scopesOf(
    core,
    db,
    subnets.map((subnet) => subnet.subnetpool_id),
  );
  return documents.map((network) => {
    const own = subnets.filter((subnet) => subnet.network_id === network.id);
    const scope = (version: number) =>
      own
        .filter((subnet) => subnet.ip_version === version)
        .map((subnet) => scopes.get(subnet.subnetpool_id ?? ''))[0] ?? null;
    return {
      ...plainView(networkAttributes, network),
      status: core.observed.refusalOf('network', network.id) === undefined ? 'ACTIVE' : 'ERROR',
      shared: shared.get(network.id)?.has('access_as_shared') === true,
      subnets: own.map(({ id }) => id),
      availability_zones: core.observed.available ? ['nova'] : [],
      ipv4_address_scope: scope(4),
      ipv6_address_scope: scope(6),
      l2_adjacency: true,
    };
  });
}

async function scopesOf(core: NetworkCore, db: Db, poolIds: readonly (string | null)[]) {
  const ids = [...new Set(poolIds.filter((id) => id !== null))];
  const pools = await core.list(db, 'subnetpool', { ids });
  return new Map(pools.map((pool) => [pool.id, pool.address_scope_id]));
}

async function createNetwork(
  core: NetworkCore,
  tx: Tx,
  values: Input,
  change: Change,
): Promise<Network> {
  const { shared, ...given } = values as Input & Partial<Network> & { shared: boolean };
  const id = core.newId();
  const segment = await takeSegment(core, tx, id, {
    type: given['provider:network_type'] ?? undefined,
    physical: given['provider:physical_network'] ?? undefined,
    id: given['provider:segmentation_id'] ?? undefined,
  });
  const mtuMax = mtuOf(segment['provider:network_type'], core.settings.mtu);
  await checkQos(core, tx, given.qos_policy_id ?? null, change.asker);
  const network = await core.insert(tx, 'network', {
    ...(given as Network),
    ...segment,
    id,
    vlan_transparent: given.vlan_transparent == null ? null : Boolean(given.vlan_transparent),
    mtu: checkedMtu(given.mtu, mtuMax),
  });
  await core.count(tx, 'network', network);
  if (network.is_default) await checkOnlyDefault(core, tx, network);
  await ensureDefaultGroup(core, tx, network.project_id);
  if (shared) await shareWith(core, tx, network, '*', 'access_as_shared');
  if (network['router:external']) await shareWith(core, tx, network, '*', 'access_as_external');
  return network;
}

function checkedMtu(mtu: number | undefined, mtuMax: number): number {
  if (mtu === undefined || mtu === 0) return mtuMax;
  if (mtu < 68) throw invalid(`Requested MTU is too small (got: ${mtu}, minimum: 68).`);
  if (mtu > mtuMax) throw invalid(`Requested MTU is too big, maximum is ${mtuMax}.`);
  return mtu;
}

async function checkOnlyDefault(core: NetworkCore, tx: Tx, network: Network): Promise<void> {
  if (!network['router:external'])
    throw fail('http-bad-request', 'Only external networks can be default networks.');
  const others = await core.list(tx, 'network');
  const other = others.find((one) => one.is_default && one.id !== network.id);
  if (other !== undefined)
    throw fail(
      'default-external-network-exists',
      `A default external network already exists: ${other.id}.`,
    );
}

async function updateNetwork(
  core: NetworkCore,
  tx: Tx,
  before: Network,
  values: Input,
  change: Change,
): Promise<Network> {
  const { shared, ...given } = values as Input & Partial<Network> & { shared?: boolean };
  if (given.qos_policy_id !== undefined)
    await checkQos(core, tx, given.qos_policy_id, change.asker);
  const external = given['router:external'];
  if (external === false && before['router:external']) await checkNoGateways(core, tx, before);
  if (shared === false) await checkNotUsedByOthers(core, tx, before);
  const mtuMax = mtuOf(before['provider:network_type'], core.settings.mtu);
  const after = await core.update(tx, 'network', before, {
    ...given,
    ...(given.mtu === undefined ? {} : { mtu: checkedMtu(given.mtu, mtuMax) }),
  });
  if (given.is_default === true) await checkOnlyDefault(core, tx, after);
  if (shared === true) await shareWith(core, tx, after, '*', 'access_as_shared');
  if (shared === false) await unshare(core, tx, after.id, 'access_as_shared');
  if (external === true) await shareWith(core, tx, after, '*', 'access_as_external');
  if (external === false) await unshare(core, tx, after.id, 'access_as_external');
  return after;
}

async function checkNoGateways(core: NetworkCore, tx: Tx, network: Network): Promise<void> {
  const routers = await core.list(tx, 'router', { by: { gateway_network: network.id } });
  const floating = await core.list(tx, 'floatingip', { by: { floating_network_id: network.id } });
  if (routers.length + floating.length > 0)
    throw fail(
      'network-in-use',
      `External network ${network.id} cannot be updated to be made non-external, since it has existing gateway ports.`,
    );
}

export async function checkNotUsedByOthers(
  core: NetworkCore,
  tx: Tx,
  network: Network,
): Promise<void> {
  const ports = await core.list(tx, 'port', { by: { network_id: network.id } });
  const other = ports.find(
    (port) => port.project_id !== network.project_id && port.project_id !== '',
  );
  if (other !== undefined)
    throw fail(
      'invalid-shared-setting',
      `Unable to reconfigure sharing settings for network ${network.id}. Multiple tenants are using it.`,
    );
}

/** Ports of the service itself (gateways of DHCP and metadata) and floating IPs that lead nowhere go with the network; others keep it. */
async function removeNetwork(core: NetworkCore, tx: Tx, network: Network): Promise<void> {
  for (const floating of await core.list(tx, 'floatingip', {
    by: { floating_network_id: network.id },
  }))
    if (floating.port_id === null && floating.router_id === null)
      await removeFloating(core, tx, floating);
  const ports = await core.list(tx, 'port', { by: { network_id: network.id } });
  if (ports.some((port) => port.device_owner !== 'network:distributed'))
    throw fail(
      'network-in-use',
      `Unable to complete operation on network ${network.id}. There are one or more ports still in use on the network.`,
    );
  for (const port of ports) await removePort(core, tx, port);
  for (const subnet of await core.list(tx, 'subnet', { by: { network_id: network.id } }))
    await core.remove(tx, subnet);
  await unshare(core, tx, network.id);
  await core.remove(tx, network);
}
