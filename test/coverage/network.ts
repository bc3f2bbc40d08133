/** Every operation of Neutron's API 2.0, and what of it is there: from the route table and the list of what is absent. */
import type { Caller, Route } from '../../cloud/api/index.ts';
import { absent } from '../../cloud/network/resources/absent.ts';
import { refusedRules } from '../../cloud/network/resources/qos.ts';

const notes: Readonly<Record<string, string>> = {
  'POST /networks': 'flat, vlan, geneve, vxlan, gre; one segment (`segments` is refused)',
  'POST /routers': 'ha=True, distributed=True and enable_ndp_proxy=True answer 501',
  'PUT /routers/:id': 'ha=True, distributed=True and enable_ndp_proxy=True answer 501',
  'POST /floatingips/:floatingip_id/port_forwardings': 'tcp and udp, ranges up to 100 ports',
  'POST /ports': 'extra DHCP options that OVN does not know are kept and not sent',
  'GET /service-providers': 'always empty: OVN is the only one',
};

const refused: Readonly<Record<string, string>> = {
  'PUT /agents/:id': '400: agents are what OVN’s chassis say',
  'DELETE /agents/:id': '400: agents are what OVN’s chassis say',
};

/** Routes of the reference that are not there at all, and answer 404. */
const unknown: readonly string[] = [
  'dhcp-agents and l3-agents schedulers (/agents/:id/dhcp-networks, l3-routers; /networks/:id/dhcp-agents; /routers/:id/l3-agents)',
  'routers/:id/conntrack_helpers',
  'ports/:id/bindings (multiple bindings)',
  'ports/:id/add_allowed_address_pairs, remove_allowed_address_pairs',
  'subnetpools/:id/onboard_network_subnets',
  'default-security-group-rules',
  'routers/:id/add_external_gateways, update_external_gateways, remove_external_gateways',
];

export function networkRows(routes: readonly Route<Caller>[]): string[][] {
  const prefix = '/v2.0';
  const rows: string[][] = [];
  for (const { method, path } of routes) {
    if (!path.startsWith(prefix) || path === prefix) continue;
    const short = path.slice(prefix.length);
    const operation = `${method} ${short}`;
    const what = absent[short.slice(1)];
    const rule = refusedRules.find((type) => short.endsWith(`/${type}_rules`));
    if (what !== undefined) rows.push([`\`${operation}\``, 'refused', `501: ${what}`]);
    else if (rule !== undefined) rows.push([`\`${operation}\``, 'refused', '501']);
    else if (refused[operation] !== undefined)
      rows.push([`\`${operation}\``, 'refused', refused[operation]]);
    else rows.push([`\`${operation}\``, 'works', notes[operation] ?? '']);
  }
  for (const operation of unknown) rows.push([operation, 'missing', '404']);
  return rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}
