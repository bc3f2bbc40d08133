/** Networks as logical switches, ports as their ports, with DHCP, names and rates. */
import { cidrOf } from '../addresses/ip.ts';
import type { Network, Port, Subnet } from '../model/documents.ts';
import type { Value } from '../ovsdb/values.ts';
import type { Desired, Subject } from './desired.ts';
import type { Model } from './model.ts';
import { overlayName, type PortsByNetwork, type RenderOptions } from './render.ts';
import { dhcpKey, extraOptions, renderDhcp } from './render-dhcp.ts';
import { renderQos } from './render-qos.ts';

export const switchName = (networkId: string) => `pileus-${networkId}`;
export const none: Value = { set: [] };

export function renderSwitches(
  desired: Desired,
  model: Model,
  ports: PortsByNetwork,
  options: RenderOptions,
): void {
  const subnets = new Map<string, Subnet[]>();
  for (const subnet of model.subnet.values())
    subnets.set(subnet.network_id, [...(subnets.get(subnet.network_id) ?? []), subnet]);
  const trunks = trunkTags(model);
  for (const network of model.network.values()) {
    const own = ports.get(network.id) ?? [];
    const ownSubnets = subnets.get(network.id) ?? [];
    renderDhcp(desired, network, ownSubnets, own, options);
    const keys = own.flatMap((port) => {
      const parts = { network, port, subnets: ownSubnets, trunks, options };
      const subject = { kind: 'port', id: port.id } as const;
      return desired.of(subject, () => renderPort(desired, parts, subject)) ?? [];
    });
    const subject = { kind: 'network', id: network.id } as const;
    const physical = renderLocalnet(desired, network, subject);
    const columns = {
      name: switchName(network.id),
      ports: { refs: [...keys, ...physical] },
      qos_rules: { refs: renderQos(desired, model, network, own) },
      dns_records: { refs: renderNames(desired, { network, ports: own, options, subject }) },
      other_config: {
        map: { mcast_snoop: 'false', vlan_passthru: String(network.vlan_transparent === true) },
      },
      external_ids: { map: { 'pileus:name': network.name } },
    };
    desired.add('Logical_Switch', `network ${network.id}`, columns, subject);
  }
}

interface Tag {
  readonly parent: string;
  readonly tag: number;
}

function trunkTags(model: Model): ReadonlyMap<string, Tag> {
  const tags = new Map<string, Tag>();
  for (const trunk of model.trunk.values())
    if (trunk.admin_state_up)
      for (const sub of trunk.sub_ports)
        tags.set(sub.port_id, { parent: trunk.port_id, tag: sub.segmentation_id });
  return tags;
}

interface PortParts {
  readonly network: Network;
  readonly port: Port;
  readonly subnets: readonly Subnet[];
  readonly trunks: ReadonlyMap<string, Tag>;
  readonly options: RenderOptions;
}

/** Ports of floating IPs hold an address and nothing else. */
function renderPort(desired: Desired, parts: PortParts, subject: Subject): string | undefined {
  const { port } = parts;
  if (port.device_owner === 'network:floatingip') return undefined;
  const addresses = port.fixed_ips.map((fixed) => fixed.ip_address);
  const external_ids = {
    map: { 'pileus:device': port.device_id, 'pileus:owner': port.device_owner },
  };
  const key = `port ${port.id}`;
  const common = {
    name: port.id,
    enabled: port.admin_state_up,
    parent_name: none,
    tag: none,
    tag_request: none,
    dhcpv4_options: none,
    dhcpv6_options: none,
    external_ids,
  };
  const own = port.device_owner.startsWith('network:router')
    ? routerPort(port)
    : port.device_owner === 'network:distributed'
      ? servicePort([port.mac_address, ...addresses].join(' '))
      : guestPort(desired, parts, addresses);
  return desired.add('Logical_Switch_Port', key, { ...common, ...own }, subject);
}

const routerPort = (port: Port) => ({
  type: 'router',
  options: { map: { 'router-port': `lrp-${port.id}`, 'nat-addresses': 'router' } },
  addresses: { set: ['router'] },
  port_security: none,
});

const servicePort = (addresses: string) => ({
  type: 'localport',
  options: { map: {} },
  addresses: { set: [addresses] },
  port_security: none,
});

function guestPort(
  desired: Desired,
  { network, port, subnets, trunks, options }: PortParts,
  addresses: readonly string[],
) {
  const own = [port.mac_address, ...addresses].join(' ');
  const host = port['binding:host_id'];
  const next = port.nextHost;
  const chassis = next === undefined ? host : `${host},${next}`;
  const tag = trunks.get(port.id);
  const dhcp = (version: 4 | 6) => {
    const subnet = subnets.find(
      (one) =>
        one.ip_version === version &&
        one.enable_dhcp &&
        port.fixed_ips.some((fixed) => fixed.subnet_id === one.id),
    );
    if (subnet === undefined || network['router:external']) return none;
    return { refs: [extraOptions(desired, subnet, port, options) ?? dhcpKey(subnet)] };
  };
  return {
    type: '',
    options: {
      map: {
        ...(host === '' ? {} : { 'requested-chassis': chassis }),
        ...(next === undefined ? {} : { 'activation-strategy': 'rarp' }),
      },
    },
    addresses: { set: port.port_security_enabled ? [own] : [own, 'unknown'] },
    port_security: { set: port.port_security_enabled ? [own, ...pairsOf(port)] : [] },
    parent_name: tag === undefined ? none : { set: [tag.parent] },
    tag: tag === undefined ? none : { set: [tag.tag] },
    tag_request: tag === undefined ? none : { set: [tag.tag] },
    dhcpv4_options: dhcp(4),
    dhcpv6_options: dhcp(6),
  };
}

/** Addresses that a port may use beside its own. */
function pairsOf(port: Port): string[] {
  const byMac = new Map<string, string[]>();
  for (const { ip_address, mac_address = port.mac_address } of port.allowed_address_pairs)
    byMac.set(mac_address, [...(byMac.get(mac_address) ?? []), ip_address]);
  return [...byMac].map(([mac, ips]) => [mac, ...ips].join(' '));
}

/** Where a provider network leaves OVN for a bridge of the host. */
function renderLocalnet(desired: Desired, network: Network, subject: Subject): string[] {
  const type = network['provider:network_type'];
  const id = network['provider:segmentation_id'];
  if (type === 'geneve') return [];
  const overlay = type === 'gre' || type === 'vxlan';
  const name = overlay ? overlayName(type, id) : (network['provider:physical_network'] ?? '');
  const columns = {
    name: `provnet-${network.id}`,
    type: 'localnet',
    options: { map: { network_name: name, mcast_flood: 'false' } },
    addresses: { set: ['unknown'] },
    port_security: none,
    enabled: true,
    parent_name: none,
    tag: type === 'vlan' && id !== null ? { set: [id] } : none,
    tag_request: none,
    dhcpv4_options: none,
    dhcpv6_options: none,
  };
  return [desired.add('Logical_Switch_Port', `localnet ${network.id}`, columns, subject)];
}

/** Names of a network's ports, answered by OVN wherever a guest asks. */
function renderNames(
  desired: Desired,
  parts: {
    readonly network: Network;
    readonly ports: readonly Port[];
    readonly options: RenderOptions;
    readonly subject: Subject;
  },
): string[] {
  const { network, ports, options, subject } = parts;
  const records: Record<string, string> = {};
  for (const port of ports) {
    if (port.dns_name === '' || port.fixed_ips.length === 0) continue;
    const addresses = port.fixed_ips.map((fixed) => fixed.ip_address).join(' ');
    const domain = port.dns_domain || network.dns_domain || options.dnsDomain;
    records[port.dns_name] = addresses;
    records[`${port.dns_name}.${domain.replace(/\.$/, '')}`] = addresses;
  }
  if (Object.keys(records).length === 0) return [];
  const columns = { records: { map: records } };
  return [desired.add('DNS', `names ${network.id}`, columns, subject)];
}

/** `10.0.0.1/24` */
export const withLength = (subnet: Subnet, address: string) =>
  `${address}/${cidrOf(subnet.cidr).prefixLength}`;
