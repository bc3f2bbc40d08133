/** What every kind of network resource looks like, by the API's own attribute names. */

export interface Document {
  readonly id: string;
  readonly project_id: string;
  readonly revision: number;
  readonly createdAtUs: number;
  readonly updatedAtUs: number;
  readonly name?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
}

export interface Network extends Document {
  readonly name: string;
  readonly admin_state_up: boolean;
  readonly mtu: number;
  readonly port_security_enabled: boolean;
  readonly 'router:external': boolean;
  readonly is_default: boolean;
  readonly 'provider:network_type': string;
  readonly 'provider:physical_network': string | null;
  readonly 'provider:segmentation_id': number | null;
  readonly dns_domain: string;
  readonly availability_zone_hints: readonly string[];
  readonly qos_policy_id: string | null;
  readonly vlan_transparent: boolean | null;
}

export interface Pool {
  readonly start: string;
  readonly end: string;
}

export interface HostRoute {
  readonly destination: string;
  readonly nexthop: string;
}

export interface Subnet extends Document {
  readonly name: string;
  readonly network_id: string;
  readonly ip_version: 4 | 6;
  readonly cidr: string;
  readonly gateway_ip: string | null;
  readonly allocation_pools: readonly Pool[];
  readonly dns_nameservers: readonly string[];
  readonly host_routes: readonly HostRoute[];
  readonly enable_dhcp: boolean;
  readonly ipv6_ra_mode: string | null;
  readonly ipv6_address_mode: string | null;
  readonly subnetpool_id: string | null;
  readonly service_types: readonly string[];
  readonly dns_publish_fixed_ip: boolean;
  readonly segment_id: string | null;
}

export interface FixedIp {
  readonly subnet_id: string;
  readonly ip_address: string;
}

export interface AddressPair {
  readonly ip_address: string;
  readonly mac_address?: string;
}

export interface DhcpOption {
  readonly opt_name: string;
  readonly opt_value: string;
  readonly ip_version: number;
}

export interface Port extends Document {
  readonly name: string;
  readonly network_id: string;
  readonly admin_state_up: boolean;
  readonly mac_address: string;
  readonly fixed_ips: readonly FixedIp[];
  readonly device_id: string;
  readonly device_owner: string;
  readonly security_groups: readonly string[];
  readonly port_security_enabled: boolean;
  readonly allowed_address_pairs: readonly AddressPair[];
  readonly extra_dhcp_opts: readonly DhcpOption[];
  readonly 'binding:host_id': string;
  readonly 'binding:vnic_type': string;
  readonly 'binding:profile': Readonly<Record<string, unknown>>;
  readonly dns_name: string;
  readonly dns_domain: string;
  readonly qos_policy_id: string | null;
  readonly data_plane_status: string | null;
  readonly propagate_uplink_status: boolean;
  readonly numa_affinity_policy: string | null;
  /** The host that a live migration is moving it to. */
  readonly nextHost?: string | undefined;
  /** Made by the compute service for its server, and deleted with it. */
  readonly madeForServer?: boolean | undefined;
}

export interface GatewayInfo {
  readonly network_id: string;
  readonly enable_snat: boolean;
  readonly external_fixed_ips: readonly FixedIp[];
  readonly qos_policy_id?: string | null;
}

export interface Router extends Document {
  readonly name: string;
  readonly admin_state_up: boolean;
  readonly external_gateway_info: GatewayInfo | null;
  readonly gatewayPortId: string | null;
  readonly routes: readonly HostRoute[];
  readonly distributed: boolean;
  readonly ha: boolean;
  readonly flavor_id: string | null;
  readonly availability_zone_hints: readonly string[];
  readonly enable_ndp_proxy: boolean;
}

export interface FloatingIp extends Document {
  readonly floating_network_id: string;
  readonly floating_ip_address: string;
  readonly router_id: string | null;
  readonly port_id: string | null;
  readonly fixed_ip_address: string | null;
  /** The port on the external network that holds its address. */
  readonly externalPortId: string;
  readonly qos_policy_id: string | null;
  readonly dns_name: string;
  readonly dns_domain: string;
}

export interface PortForwarding extends Document {
  readonly floatingip_id: string;
  readonly external_port_range: string;
  readonly internal_port_range: string;
  readonly internal_ip_address: string;
  readonly internal_port_id: string;
  readonly protocol: string;
}

export interface SecurityGroup extends Document {
  readonly name: string;
  readonly stateful: boolean;
}

export interface SecurityGroupRule extends Document {
  readonly security_group_id: string;
  readonly direction: 'ingress' | 'egress';
  readonly ethertype: 'IPv4' | 'IPv6';
  readonly protocol: string | null;
  readonly port_range_min: number | null;
  readonly port_range_max: number | null;
  readonly remote_group_id: string | null;
  readonly remote_ip_prefix: string | null;
  readonly remote_address_group_id: string | null;
  readonly normalized_cidr: string | null;
}

export interface AddressGroup extends Document {
  readonly name: string;
  readonly addresses: readonly string[];
}

export interface RbacPolicy extends Document {
  readonly object_type: string;
  readonly object_id: string;
  readonly action: string;
  readonly target_tenant: string;
}

export interface SubnetPool extends Document {
  readonly name: string;
  readonly prefixes: readonly string[];
  readonly ip_version: 4 | 6;
  readonly default_prefixlen: number;
  readonly min_prefixlen: number;
  readonly max_prefixlen: number;
  readonly default_quota: number | null;
  readonly address_scope_id: string | null;
  readonly is_default: boolean;
}

export interface AddressScope extends Document {
  readonly name: string;
  readonly ip_version: 4 | 6;
}

export interface QosPolicy extends Document {
  readonly name: string;
  readonly is_default: boolean;
}

export interface QosRule extends Document {
  readonly policyId: string;
  readonly type: string;
  readonly direction?: string;
  readonly max_kbps?: number;
  readonly max_burst_kbps?: number;
  readonly min_kbps?: number;
  readonly dscp_mark?: number;
}

export interface SubPort {
  readonly port_id: string;
  readonly segmentation_type: string;
  readonly segmentation_id: number;
}

export interface Trunk extends Document {
  readonly name: string;
  readonly admin_state_up: boolean;
  readonly port_id: string;
  readonly sub_ports: readonly SubPort[];
}

/** Kind → its document: the whole model. */
export interface Kinds {
  network: Network;
  subnet: Subnet;
  port: Port;
  router: Router;
  floatingip: FloatingIp;
  port_forwarding: PortForwarding;
  security_group: SecurityGroup;
  security_group_rule: SecurityGroupRule;
  address_group: AddressGroup;
  rbac_policy: RbacPolicy;
  subnetpool: SubnetPool;
  address_scope: AddressScope;
  qos_policy: QosPolicy;
  qos_rule: QosRule;
  trunk: Trunk;
}

export type Kind = keyof Kinds;

/** What a new one is made of; the store adds the rest. */
export type NewDocument<K extends Kind> = Omit<
  Kinds[K],
  'revision' | 'createdAtUs' | 'updatedAtUs'
>;
