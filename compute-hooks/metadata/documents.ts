/** What a guest is told about itself: the documents of the metadata service and of the config drive. */
import type { ComputeCore } from '../core.ts';
import { parseMap } from '../fields.ts';
import { parseFlavor } from '../flavor-facts.ts';
import type { ServerPort } from '../neighbours.ts';
import { disksOf, portsOf } from '../rows.ts';
import type { DiskRow, ServerRow } from '../tables.ts';
import { buildConfigDrive } from './config-drive.ts';

export interface GuestFacts {
  readonly server: ServerRow;
  readonly ports: readonly ServerPort[];
  readonly disks: readonly DiskRow[];
  /** Position by tag, for devices that the user has named. */
  readonly tags: ReadonlyMap<string, string>;
}

export async function guestFacts(core: ComputeCore, server: ServerRow): Promise<GuestFacts> {
  const rows = await portsOf(core.db, server.id);
  const ports: ServerPort[] = [];
  for (const row of rows)
    if (row.made === 1 && core.ports !== undefined) ports.push(await core.ports.get(row.port_id));
  const tags = new Map(rows.flatMap((row) => (row.tag === null ? [] : [[row.port_id, row.tag]])));
  return { server, ports, disks: await disksOf(core.db, server.id), tags };
}

export function metaData(facts: GuestFacts): Record<string, unknown> {
  const { server, ports, disks, tags } = facts;
  const keys =
    server.key_name === null || server.key_data === null
      ? {}
      : {
          public_keys: { [server.key_name]: server.key_data },
          keys: [{ name: server.key_name, type: 'ssh', data: server.key_data }],
        };
  const tagged = [
    ...ports
      .filter(({ id }) => tags.has(id))
      .map(({ id, macAddress }) => ({
        type: 'nic',
        bus: 'pci',
        address: '',
        mac: macAddress,
        tags: [tags.get(id)],
      })),
    ...disks
      .filter(({ tag }) => tag !== null)
      .map(({ volume_id, device, tag }) => ({
        type: 'disk',
        bus: 'virtio',
        address: '',
        serial: volume_id,
        path: `/dev/${device}`,
        tags: [tag],
      })),
  ];
  return {
    uuid: server.id,
    ...keys,
    hostname: server.hostname,
    name: server.name,
    launch_index: server.launch_index,
    availability_zone: server.zone ?? 'nova',
    project_id: server.project_id,
    meta: parseMap(server.metadata_json),
    devices: tagged,
    dedicated_cpus: [],
  };
}

export function networkData({ ports }: GuestFacts): Record<string, unknown> {
  const services = [
    ...new Set(ports.flatMap((port) => port.fixedIps.flatMap((ip) => ip.dnsServers))),
  ];
  return {
    links: ports.map((port) => ({
      id: `tap${port.id.slice(0, 11)}`,
      vif_id: port.id,
      type: 'ovs',
      mtu: port.mtu,
      ethernet_mac_address: port.macAddress,
    })),
    networks: ports
      .flatMap((port) => port.fixedIps.map((ip) => networkOf(port, ip)))
      .map((network, at) => ({ id: `network${at}`, ...network })),
    services: services.map((address) => ({ type: 'dns', address })),
  };
}

function networkOf(port: ServerPort, ip: ServerPort['fixedIps'][number]) {
  const link = { link: `tap${port.id.slice(0, 11)}`, network_id: port.networkId };
  const six = ip.version === 6;
  if (ip.dhcp && !six) return { ...link, type: 'ipv4_dhcp' };
  if (six && ip.ipv6AddressMode !== undefined)
    return {
      ...link,
      type: ip.ipv6AddressMode === 'slaac' ? 'ipv6_slaac' : 'ipv6_dhcpv6-stateful',
    };
  const bits = Number(ip.cidr.split('/')[1] ?? 0);
  const any = six ? '::' : '0.0.0.0';
  const route = (network: string, netmask: string, gateway: string) => ({
    network,
    netmask,
    gateway,
  });
  return {
    ...link,
    type: six ? 'ipv6' : 'ipv4',
    ip_address: ip.address,
    netmask: maskOf(bits, six),
    routes: [
      ...(ip.gateway === undefined ? [] : [route(any, any, ip.gateway)]),
      ...ip.hostRoutes.map(({ destination, nexthop }) => {
        const [network = '', prefix = '0'] = destination.split('/');
        return route(network, maskOf(Number(prefix), six), nexthop);
      }),
    ],
  };
}

function maskOf(bits: number, six: boolean): string {
  const width = six ? 16 : 8;
  const parts = Array.from({ length: six ? 8 : 4 }, (_, at) => {
    const ones = Math.min(Math.max(bits - at * width, 0), width);
    return 2 ** width - 2 ** (width - ones);
  });
  return six ? parts.map((part) => part.toString(16)).join(':') : parts.join('.');
}

/** The tree below `/latest/meta-data/`. */
export function ec2MetaData({ server, ports }: GuestFacts): Record<string, unknown> {
  const addresses = ports.flatMap((port) => port.fixedIps);
  const local = addresses.find((ip) => ip.version === 4)?.address ?? '';
  const floating = addresses.flatMap((ip) => ip.floating ?? [])[0] ?? '';
  const short = server.id.replaceAll('-', '').slice(0, 8);
  return {
    'ami-id': `ami-${(server.image_id ?? '').replaceAll('-', '').slice(0, 8)}`,
    'ami-launch-index': String(server.launch_index),
    'ami-manifest-path': '(unknown)',
    'block-device-mapping': { ami: 'vda', root: '/dev/vda' },
    hostname: server.hostname,
    'instance-action': 'none',
    'instance-id': `i-${short}`,
    'instance-type': parseFlavor(server.flavor_json).name,
    'local-hostname': server.hostname,
    'local-ipv4': local,
    placement: { 'availability-zone': server.zone ?? 'nova' },
    'public-hostname': server.hostname,
    'public-ipv4': floating,
    ...(server.key_name === null
      ? {}
      : { 'public-keys': { 0: { _name: server.key_name, 'openssh-key': server.key_data ?? '' } } }),
    'reservation-id': server.reservation_id,
    'security-groups': [...new Set(ports.flatMap((p) => p.securityGroups.map((g) => g.name)))].join(
      '\n',
    ),
  };
}

export async function configDriveOf(core: ComputeCore, server: ServerRow): Promise<Buffer> {
  const facts = await guestFacts(core, server);
  const admin_pass = core.passwords.get(server.id);
  const password = admin_pass === undefined ? {} : { admin_pass };
  const files = new Map<string, Uint8Array | string>([
    ['openstack/latest/meta_data.json', JSON.stringify({ ...metaData(facts), ...password })],
    ['openstack/latest/network_data.json', JSON.stringify(networkData(facts))],
    ['openstack/latest/vendor_data.json', '{}'],
    ['openstack/latest/vendor_data2.json', '{}'],
    ['ec2/latest/meta-data.json', JSON.stringify(ec2MetaData(facts))],
  ]);
  if (server.user_data !== null) {
    const body = Buffer.from(server.user_data, 'base64');
    files.set('openstack/latest/user_data', body);
    files.set('ec2/latest/user-data', body);
  }
  return buildConfigDrive(files);
}
