/** A port as the compute service and a guest's metadata see it. */
import type { NetworkCore } from './core.ts';
import type { HostRoute, Port, Subnet } from './model/documents.ts';
import { statusOf } from './resources/ports/views.ts';

export interface ServerAddress {
  readonly address: string;
  readonly subnetId: string;
  readonly cidr: string;
  readonly version: 4 | 6;
  readonly gateway: string | undefined;
  readonly dnsServers: readonly string[];
  readonly hostRoutes: readonly HostRoute[];
  readonly dhcp: boolean;
  readonly ipv6AddressMode: string | undefined;
  /** Floating addresses that lead here. */
  readonly floating: readonly string[];
}

export interface ServerPort {
  readonly id: string;
  readonly name: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly networkExternal: boolean;
  readonly projectId: string;
  readonly deviceId: string;
  readonly deviceOwner: string;
  readonly macAddress: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly status: string;
  readonly host: string | undefined;
  readonly vnicType: string;
  /** A user's own port, which outlives the server. */
  readonly adopted: boolean;
  readonly portSecurity: boolean;
  readonly securityGroups: readonly { readonly id: string; readonly name: string }[];
  readonly dnsName: string;
  readonly fixedIps: readonly ServerAddress[];
}

export async function serverPortsOf(
  core: NetworkCore,
  ports: readonly Port[],
): Promise<ServerPort[]> {
  const { db } = core;
  const byId = <T extends { readonly id: string }>(all: readonly T[]) =>
    new Map(all.map((one) => [one.id, one]));
  const networks = byId(
    await core.list(db, 'network', { ids: [...new Set(ports.map((port) => port.network_id))] }),
  );
  const subnets = byId(
    await core.list(db, 'subnet', {
      ids: [...new Set(ports.flatMap((port) => port.fixed_ips.map((fixed) => fixed.subnet_id)))],
    }),
  );
  const groups = byId(
    await core.list(db, 'security_group', {
      ids: [...new Set(ports.flatMap((port) => port.security_groups))],
    }),
  );
  const floating = await core.list(db, 'floatingip', {
    by: { port_id: ports.map(({ id }) => id) },
  });
  return ports.map((port) => {
    const network = networks.get(port.network_id);
    const host = port['binding:host_id'];
    return {
      id: port.id,
      name: port.name,
      networkId: port.network_id,
      networkName: network?.name ?? '',
      networkExternal: network?.['router:external'] === true,
      projectId: port.project_id,
      deviceId: port.device_id,
      deviceOwner: port.device_owner,
      macAddress: port.mac_address,
      mtu: network?.mtu ?? 1_500,
      up: core.observed.isUp(port.id),
      status: statusOf(core, port),
      host: host === '' ? undefined : host,
      vnicType: port['binding:vnic_type'],
      adopted: port.madeForServer !== true,
      portSecurity: port.port_security_enabled,
      securityGroups: port.security_groups.flatMap((id) => {
        const group = groups.get(id);
        return group === undefined ? [] : [{ id, name: group.name }];
      }),
      dnsName: port.dns_name,
      fixedIps: port.fixed_ips.flatMap((fixed) => {
        const subnet = subnets.get(fixed.subnet_id);
        if (subnet === undefined) return [];
        const leading = floating.filter(
          (one) => one.port_id === port.id && one.fixed_ip_address === fixed.ip_address,
        );
        return [
          addressOf(
            subnet,
            fixed.ip_address,
            leading.map((one) => one.floating_ip_address),
          ),
        ];
      }),
    };
  });
}

function addressOf(subnet: Subnet, address: string, floating: readonly string[]): ServerAddress {
  return {
    address,
    subnetId: subnet.id,
    cidr: subnet.cidr,
    version: subnet.ip_version,
    gateway: subnet.gateway_ip ?? undefined,
    dnsServers: subnet.dns_nameservers,
    hostRoutes: subnet.host_routes,
    dhcp: subnet.enable_dhcp,
    ipv6AddressMode: subnet.ipv6_address_mode ?? undefined,
    floating,
  };
}
