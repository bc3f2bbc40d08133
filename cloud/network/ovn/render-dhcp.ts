/** What OVN's own DHCP tells guests: a row per subnet, and one more per port that wants it otherwise. */
import type { Network, Port, Subnet } from '../model/documents.ts';
import type { Desired } from './desired.ts';
import { dhcpOption } from './dhcp-options.ts';
import type { RenderOptions } from './render.ts';

export const dhcpKey = (subnet: Subnet) => `dhcp ${subnet.id}`;

const metadataAddress = '169.254.169.254';

/** A MAC that is always the same for the same thing. */
const macFrom = (id: string) =>
  `fa:16:3e:${id.replaceAll('-', '').slice(0, 6).match(/../g)?.join(':')}`;

const held = new WeakMap<Desired, Map<string, Record<string, string>>>();

export function renderDhcp(
  desired: Desired,
  network: Network,
  subnets: readonly Subnet[],
  ports: readonly Port[],
  options: RenderOptions,
): void {
  if (network['router:external']) return;
  const service = ports.find((port) => port.device_owner === 'network:distributed');
  const known = held.get(desired) ?? new Map<string, Record<string, string>>();
  held.set(desired, known);
  for (const subnet of subnets) {
    if (!subnet.enable_dhcp) continue;
    const subject = { kind: 'subnet', id: subnet.id } as const;
    desired.of(subject, () => {
      const own =
        subnet.ip_version === 4
          ? fourOptions(network, subnet, service, options)
          : sixOptions(subnet, options);
      known.set(subnet.id, own);
      const columns = { cidr: subnet.cidr, options: { map: own } };
      desired.add('DHCP_Options', dhcpKey(subnet), columns, subject);
    });
  }
}

function fourOptions(
  network: Network,
  subnet: Subnet,
  service: Port | undefined,
  options: RenderOptions,
): Record<string, string> {
  const metadata = service?.fixed_ips.find((fixed) => fixed.subnet_id === subnet.id)?.ip_address;
  const { gateway_ip: gateway } = subnet;
  const servers = subnet.dns_nameservers.length > 0 ? subnet.dns_nameservers : options.dnsServers;
  const routes = [
    ...(metadata === undefined ? [] : [`${metadataAddress}/32,${metadata}`]),
    ...subnet.host_routes.map(({ destination, nexthop }) => `${destination},${nexthop}`),
  ];
  // A client that takes classless routes ignores the router option, so that the default route stands among them.
  if (gateway !== null && routes.length > 0) routes.push(`0.0.0.0/0,${gateway}`);
  const domain = network.dns_domain || options.dnsDomain;
  return {
    server_id: gateway ?? metadata ?? subnet.allocation_pools[0]?.start ?? '',
    server_mac: macFrom(subnet.id),
    lease_time: String(options.dhcpLeaseS),
    mtu: String(network.mtu),
    ...(gateway === null ? {} : { router: gateway }),
    ...(servers.length === 0 ? {} : { dns_server: `{${servers.join(', ')}}` }),
    ...(routes.length === 0 ? {} : { classless_static_route: `{${routes.join(', ')}}` }),
    ...(domain === '' ? {} : { domain_name: `"${domain.replace(/\.$/, '')}"` }),
  };
}

function sixOptions(subnet: Subnet, options: RenderOptions): Record<string, string> {
  const servers =
    subnet.dns_nameservers.length > 0
      ? subnet.dns_nameservers
      : options.dnsServers.filter((one) => one.includes(':'));
  return {
    server_id: macFrom(subnet.id),
    ...(servers.length === 0 ? {} : { dns_server: `{${servers.join(', ')}}` }),
    ...(subnet.ipv6_address_mode === 'dhcpv6-stateful' ? {} : { dhcpv6_stateless: 'true' }),
  };
}

/** The key of a row of the port's own, where it wants options of its own. */
export function extraOptions(
  desired: Desired,
  subnet: Subnet,
  port: Port,
  _options: RenderOptions,
): string | undefined {
  const extra = port.extra_dhcp_opts
    .filter((one) => one.ip_version === subnet.ip_version)
    .flatMap((one) => {
      const written = dhcpOption(one.opt_name, one.opt_value);
      return written === undefined ? [] : [written];
    });
  if (extra.length === 0) return undefined;
  const base = held.get(desired)?.get(subnet.id) ?? {};
  const columns = {
    cidr: subnet.cidr,
    options: { map: { ...base, ...Object.fromEntries(extra) } },
  };
  const subject = { kind: 'port', id: port.id } as const;
  return desired.add('DHCP_Options', `dhcp ${subnet.id} ${port.id}`, columns, subject);
}
