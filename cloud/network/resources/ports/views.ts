/** What is answered of ports: what they were given, and how they are. */
import type { Db, NetworkCore } from '../../core.ts';
import type { Network, Port, Trunk } from '../../model/documents.ts';
import type { View } from '../../model/resource.ts';
import { plainView } from '../../model/views.ts';
import { portAttributes } from './attributes.ts';

export async function portViews(
  core: NetworkCore,
  db: Db,
  documents: readonly Port[],
): Promise<View[]> {
  const ids = [...new Set(documents.map((port) => port.network_id))];
  const networks = new Map((await core.list(db, 'network', { ids })).map((one) => [one.id, one]));
  const trunks = documents.length === 0 ? [] : await core.list(db, 'trunk');
  const parents = new Map(trunks.map((trunk) => [trunk.port_id, trunk]));
  const subPorts = trunks.flatMap((trunk) => trunk.sub_ports.map((sub) => sub.port_id));
  const macs = new Map(
    (await core.list(db, 'port', { ids: subPorts })).map((one) => [one.id, one.mac_address]),
  );
  return documents.map((port) => {
    const network = networks.get(port.network_id);
    return {
      ...plainView(portAttributes, port),
      ...bindingOf(core, port),
      status: statusOf(core, port),
      dns_assignment: assignmentOf(core, port, network),
      qos_network_policy_id: network?.qos_policy_id ?? null,
      ip_allocation: 'immediate',
      resource_request: null,
      ...trunkDetails(parents.get(port.id), macs),
    };
  });
}

/** Up is what OVN says; a port that hangs on no host is down, one of a router is where its router is. */
export function statusOf(core: NetworkCore, port: Port): string {
  if (core.observed.refusalOf('port', port.id) !== undefined) return 'ERROR';
  if (!port.admin_state_up) return 'DOWN';
  if (port.device_owner.startsWith('network:')) {
    if (port.device_owner === 'network:floatingip') return 'N/A';
    return core.observed.available ? 'ACTIVE' : 'DOWN';
  }
  return core.observed.isUp(port.id) ? 'ACTIVE' : 'DOWN';
}

function bindingOf(core: NetworkCore, port: Port): View {
  const host = port['binding:host_id'];
  const bound = host !== '';
  return {
    'binding:vif_type': bound ? (core.observed.available ? 'ovs' : 'binding_failed') : 'unbound',
    'binding:vif_details': bound
      ? { port_filter: true, connectivity: 'l2', bound_drivers: { '0': 'ovn' } }
      : {},
  };
}

function assignmentOf(core: NetworkCore, port: Port, network: Network | undefined): View[] {
  const domain = port.dns_domain || network?.dns_domain || core.settings.dnsDomain;
  return port.fixed_ips.map(({ ip_address }) => {
    const hostname = port.dns_name || `host-${ip_address.replaceAll(/[.:]+/g, '-')}`;
    return {
      ip_address,
      hostname,
      fqdn: hostname.endsWith('.') ? hostname : `${hostname}.${domain}`,
    };
  });
}

function trunkDetails(trunk: Trunk | undefined, macs: ReadonlyMap<string, string>): View {
  if (trunk === undefined) return {};
  const sub_ports = trunk.sub_ports.map((sub) => ({ ...sub, mac_address: macs.get(sub.port_id) }));
  return { trunk_details: { trunk_id: trunk.id, sub_ports } };
}
