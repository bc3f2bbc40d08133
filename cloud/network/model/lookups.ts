/** The values that documents are found by without reading them all: one list per kind. */
import type { Kind, Kinds } from './documents.ts';

type Values = Readonly<Record<string, string | null | undefined | readonly string[]>>;

const of: { readonly [K in Kind]: (document: Kinds[K]) => Values } = {
  network: (network) => ({ name: network.name, qos_policy_id: network.qos_policy_id }),
  subnet: (subnet) => ({
    name: subnet.name,
    network_id: subnet.network_id,
    subnetpool_id: subnet.subnetpool_id,
  }),
  port: (port) => ({
    name: port.name,
    network_id: port.network_id,
    device_id: port.device_id,
    device_owner: port.device_owner,
    mac_address: port.mac_address,
    fixed_ip: port.fixed_ips.map((fixed) => fixed.ip_address),
    subnet_id: [...new Set(port.fixed_ips.map((fixed) => fixed.subnet_id))],
    security_group: port.security_groups,
    'binding:host_id': port['binding:host_id'],
    qos_policy_id: port.qos_policy_id,
  }),
  router: (router) => ({
    name: router.name,
    gateway_network: router.external_gateway_info?.network_id,
    qos_policy_id: router.external_gateway_info?.qos_policy_id,
  }),
  floatingip: (floating) => ({
    port_id: floating.port_id,
    router_id: floating.router_id,
    floating_network_id: floating.floating_network_id,
    floating_ip_address: floating.floating_ip_address,
    qos_policy_id: floating.qos_policy_id,
  }),
  port_forwarding: (one) => ({ floatingip_id: one.floatingip_id, port_id: one.internal_port_id }),
  security_group: (group) => ({ name: group.name }),
  security_group_rule: (rule) => ({
    security_group_id: rule.security_group_id,
    remote_group_id: rule.remote_group_id,
    remote_address_group_id: rule.remote_address_group_id,
  }),
  address_group: (group) => ({ name: group.name }),
  rbac_policy: (policy) => ({
    object_id: policy.object_id,
    target: `${policy.object_type} ${policy.target_tenant}`,
  }),
  subnetpool: (pool) => ({ name: pool.name, address_scope_id: pool.address_scope_id }),
  address_scope: (scope) => ({ name: scope.name }),
  qos_policy: (policy) => ({ name: policy.name }),
  qos_rule: (rule) => ({ policy_id: rule.policyId }),
  trunk: (trunk) => ({
    name: trunk.name,
    port_id: trunk.port_id,
    sub_port: trunk.sub_ports.map((sub) => sub.port_id),
  }),
};

export interface Lookup {
  /** `port.network_id` */
  readonly name: string;
  readonly value: string;
}

export function lookupsOf<K extends Kind>(kind: K, document: Kinds[K]): Lookup[] {
  const found: Lookup[] = [];
  for (const [name, value] of Object.entries(of[kind](document))) {
    const values = typeof value === 'string' ? [value] : (value ?? []);
    for (const one of values) if (one !== '') found.push({ name: `${kind}.${name}`, value: one });
  }
  return found;
}
