/** A port's fixed addresses: what it asked for, or one of each version that the network has. */
import { giveBack, givesItself, takeAny, takeSlaac, takeThis } from '../../addresses/allocation.ts';
import { cidrOf, contains, parseIp } from '../../addresses/ip.ts';
import type { NetworkCore, Tx } from '../../core.ts';
import { fail, invalid } from '../../failures.ts';
import type { FixedIp, Network, Subnet } from '../../model/documents.ts';

export interface Addressed {
  readonly portId: string;
  readonly mac: string;
  readonly deviceOwner: string;
}

type Asked = Partial<FixedIp>;

const routers = [
  'network:router_interface',
  'network:router_gateway',
  'network:router_interface_distributed',
];

/** `asked` undefined: whatever the network offers. */
export async function takeAddresses(
  core: NetworkCore,
  tx: Tx,
  network: Network,
  port: Addressed,
  asked: readonly Asked[] | undefined,
): Promise<FixedIp[]> {
  const subnets = await core.list(tx, 'subnet', { by: { network_id: network.id } });
  if (asked === undefined) return await takeOffered(tx, network, subnets, port);
  const taken: FixedIp[] = [];
  for (const one of asked) taken.push(await takeAsked(tx, network, subnets, port, one));
  // What gives itself an address by its MAC does so whatever else was asked for.
  if (!routers.includes(port.deviceOwner))
    for (const subnet of subnets)
      if (
        givesItself(subnet) &&
        subnet.ipv6_ra_mode !== null &&
        taken.length > 0 &&
        !taken.some((fixed) => fixed.subnet_id === subnet.id)
      )
        taken.push(await takeSlaac(tx, subnet, port.mac, port.portId));
  return taken;
}

async function takeOffered(
  tx: Tx,
  network: Network,
  subnets: readonly Subnet[],
  port: Addressed,
): Promise<FixedIp[]> {
  const usable = subnets.filter(
    (one) =>
      one.service_types.length === 0 ||
      one.service_types.some((type) => port.deviceOwner.startsWith(type)),
  );
  const serving = usable.filter((one) => one.service_types.length > 0);
  const offered = serving.length > 0 ? serving : usable;
  if (subnets.length > 0 && offered.length === 0) throw exhausted(network);
  const taken: FixedIp[] = [];
  for (const version of [4, 6]) {
    const own = offered.filter((one) => one.ip_version === version);
    const giving = own.filter((one) => !givesItself(one));
    if (giving.length > 0) {
      const fixed = await firstFree(tx, giving, port.portId);
      if (fixed === undefined) throw exhausted(network);
      taken.push(fixed);
    }
    for (const subnet of own) {
      if (!givesItself(subnet)) continue;
      if (routers.includes(port.deviceOwner)) {
        const fixed = await takeAny(tx, subnet, port.portId);
        if (fixed !== undefined) taken.push(fixed);
      } else taken.push(await takeSlaac(tx, subnet, port.mac, port.portId));
    }
  }
  return taken;
}

async function firstFree(
  tx: Tx,
  subnets: readonly Subnet[],
  portId: string,
): Promise<FixedIp | undefined> {
  for (const subnet of subnets) {
    const fixed = await takeAny(tx, subnet, portId);
    if (fixed !== undefined) return fixed;
  }
  return undefined;
}

const exhausted = (network: Network) =>
  fail('ip-address-generation-failure', `No more IP addresses available on network ${network.id}.`);

async function takeAsked(
  tx: Tx,
  network: Network,
  subnets: readonly Subnet[],
  port: Addressed,
  asked: Asked,
): Promise<FixedIp> {
  const { subnet_id: subnetId, ip_address: address } = asked;
  if (subnetId === undefined && address === undefined)
    throw invalid('IP allocation requires subnet_id or ip_address.');
  const subnet =
    subnetId === undefined
      ? subnets.find((one) => within(one, String(address)))
      : subnets.find((one) => one.id === subnetId);
  if (subnet === undefined) {
    if (subnetId === undefined)
      throw fail(
        'invalid-ip-for-network',
        `IP address ${address} is not a valid IP for any of the subnets on the specified network.`,
      );
    throw invalid(
      `Failed to create port on network ${network.id}, because fixed_ips included invalid subnet ${subnetId}.`,
    );
  }
  if (address !== undefined) {
    if (givesItself(subnet) && !routers.includes(port.deviceOwner))
      throw invalid(
        `IPv6 address ${address} can not be directly assigned to a port on subnet ${subnet.id} since the subnet is configured for automatic addresses`,
      );
    return await takeThis(tx, subnet, address, port.portId);
  }
  if (givesItself(subnet) && !routers.includes(port.deviceOwner))
    return await takeSlaac(tx, subnet, port.mac, port.portId);
  const fixed = await takeAny(tx, subnet, port.portId);
  if (fixed === undefined)
    throw fail(
      'ip-address-generation-failure',
      `No more IP addresses available on network ${network.id}.`,
    );
  return fixed;
}

function within(subnet: Subnet, address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && contains(cidrOf(subnet.cidr), ip);
}

/** What stays, stays; what is new is taken; what is gone is given back. */
export async function changeAddresses(
  core: NetworkCore,
  tx: Tx,
  network: Network,
  port: Addressed,
  held: readonly FixedIp[],
  asked: readonly Asked[],
): Promise<FixedIp[]> {
  const stays = held.filter((fixed) => asked.some((one) => keeps(one, fixed)));
  const fresh = asked.filter((one) => !stays.some((fixed) => keeps(one, fixed)));
  for (const fixed of held) if (!stays.includes(fixed)) await giveBack(tx, fixed, port.portId);
  return [
    ...stays,
    ...(fresh.length === 0 ? [] : await takeAddresses(core, tx, network, port, fresh)),
  ];
}

const keeps = (asked: Asked, fixed: FixedIp): boolean =>
  (asked.ip_address === undefined || asked.ip_address === fixed.ip_address) &&
  (asked.subnet_id === undefined || asked.subnet_id === fixed.subnet_id);
