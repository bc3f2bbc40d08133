/** Parts of Neutron that are not there, and say so: 501 in Neutron's words instead of a silence that looks like an empty list. */
import type { Caller, Route } from '#cloud/api';
import { route } from '../caller.ts';
import { notImplemented } from '../failures.ts';

/** Collection → what a user would call it. */
export const absent: Readonly<Record<string, string>> = {
  segments: 'Segments of routed networks',
  network_segment_ranges: 'Segment ranges',
  'log/logs': 'Packet logging',
  'log/loggable-resources': 'Packet logging',
  'metering/metering-labels': 'Metering',
  'metering/metering-label-rules': 'Metering',
  flavors: 'Flavours of services',
  service_profiles: 'Service profiles',
  local_ips: 'Local IPs',
  ndp_proxies: 'NDP proxies',
  'fwaas/firewall_groups': 'Firewalls',
  'vpn/vpnservices': 'VPN',
  'bgp-speakers': 'BGP',
};

export function absentRoutes(): Route<Caller>[] {
  return Object.entries(absent).flatMap(([collection, what]) =>
    (['GET', 'POST'] as const).map((method) =>
      route({
        method,
        path: `/v2.0/${collection}`,
        policy: 'any-token',
        handle: () => {
          throw notImplemented(what);
        },
      }),
    ),
  );
}
