/** Who may do what: upstream's secure defaults as data. `admin` on any project is an administrator of all networks. */
import type { PolicyRules } from '#cloud/api';

const admin = 'rule:admin_only';
const member = 'role:member and project_id:%(project_id)s';
const reader = 'role:reader and project_id:%(project_id)s';
const adminOrMember = `${admin} or ${member}`;
const adminOrReader = `${admin} or ${reader}`;
// Who may only read owns nothing that he could change by owning what it is on.
const networkMember = '(role:member and rule:network_owner)';
const networkOwner = `rule:context_is_advsvc or ${networkMember} or ${admin}`;
const ofParent = 'rule:ext_parent_owner';

const named = (names: readonly string[], rule: string): PolicyRules =>
  Object.fromEntries(names.map((name) => [name, rule]));

/** The three or four verbs of a resource. */
const changes = (resource: string) => [
  `create_${resource}`,
  `update_${resource}`,
  `delete_${resource}`,
];

const qosRules = [
  'bandwidth_limit_rule',
  'dscp_marking_rule',
  'minimum_bandwidth_rule',
  'packet_rate_limit_rule',
  'minimum_packet_rate_rule',
];

export const networkRules: PolicyRules = {
  context_is_admin: 'role:admin',
  context_is_advsvc: 'role:advsvc',
  admin_only: 'rule:context_is_admin',
  network_owner: 'project_id:%(network:project_id)s',
  ext_parent_owner: 'project_id:%(ext_parent:project_id)s',
  shared: 'True:%(shared)s',
  external: 'True:%(router:external)s',
  network_device: 'True:%(network_device)s',

  ...named(
    [
      ...['create_network', 'create_network:port_security_enabled', 'update_network'],
      ...['update_network:port_security_enabled', 'delete_network'],
      ...['create_port', 'create_port:binding:vnic_type', ...changes('floatingip')],
      ...[...changes('router'), 'create_router:external_gateway_info'],
      ...['create_router:external_gateway_info:network_id', 'update_router:external_gateway_info'],
      ...['update_router:external_gateway_info:network_id', 'add_router_interface'],
      ...['remove_router_interface', 'add_extraroutes', 'remove_extraroutes'],
      ...[...changes('subnetpool'), 'onboard_network_subnets', 'add_prefixes', 'remove_prefixes'],
      ...[...changes('address_scope'), ...changes('rbac_policy')],
      ...[...changes('security_group'), 'create_security_group_rule', 'delete_security_group_rule'],
      ...[...changes('address_group'), ...changes('trunk'), 'add_subports', 'remove_subports'],
      'delete_auto_allocated_topology',
    ],
    adminOrMember,
  ),
  ...named(
    [
      ...['get_floatingip', 'get_rbac_policy', 'get_router', 'get_trunk', 'get_subports'],
      ...['get_auto_allocated_topology', 'get_floatingip_pool'],
      ...['get_flavor', 'get_network_ip_availability_own', 'get_quota_own'],
    ],
    adminOrReader,
  ),
  ...named(
    ['get_policy', ...qosRules.map((rule) => `get_policy_${rule}`)],
    `${adminOrReader} or rule:shared`,
  ),
  ...named(
    [
      ...['shared', 'router:external', 'is_default', 'segments', 'provider:network_type'],
      ...['provider:physical_network', 'provider:segmentation_id'],
    ].flatMap((name) => [`create_network:${name}`, `update_network:${name}`]),
    admin,
  ),
  ...named(
    [
      'segments',
      'provider:network_type',
      'provider:physical_network',
      'provider:segmentation_id',
    ].map((name) => `get_network:${name}`),
    admin,
  ),
  ...named(
    [
      ...[
        'create_port:binding:host_id',
        'create_port:binding:profile',
        'get_port:binding:vif_type',
      ],
      ...['get_port:binding:vif_details', 'get_port:binding:host_id', 'get_port:binding:profile'],
      ...[
        'get_port:resource_request',
        'update_port:binding:host_id',
        'update_port:binding:profile',
      ],
      ...[
        'create_router:distributed',
        'create_router:ha',
        'get_router:distributed',
        'get_router:ha',
      ],
      ...['update_router:distributed', 'update_router:ha'],
      ...['create_router:external_gateway_info:enable_snat'],
      ...['create_router:external_gateway_info:external_fixed_ips'],
      ...['update_router:external_gateway_info:enable_snat'],
      ...['update_router:external_gateway_info:external_fixed_ips'],
      ...['create_subnet:segment_id', 'create_subnet:service_types', 'get_subnet:segment_id'],
      ...['update_subnet:segment_id', 'update_subnet:service_types'],
      ...[
        'create_subnetpool:shared',
        'create_subnetpool:is_default',
        'update_subnetpool:is_default',
      ],
      ...['create_address_scope:shared', 'update_address_scope:shared'],
      ...['create_address_group:shared', 'update_address_group:shared'],
      ...['create_floatingip:floating_ip_address', 'get_rule_type', ...changes('policy')],
      ...qosRules.flatMap((rule) => changes(`policy_${rule}`)),
      ...['get_quota', 'update_quota', 'delete_quota', 'get_network_ip_availability'],
      ...['get_agent', 'update_agent', 'delete_agent', 'get_availability_zone'],
      ...['get_segment', 'get_loggable_resource', 'get_dhcp-networks', 'get_l3-routers'],
      ...['get_dhcp-agents', 'get_l3-agents'],
    ],
    admin,
  ),
  ...named(
    changes('floatingip_port_forwarding'),
    `${adminOrMember} or (role:member and ${ofParent})`,
  ),
  get_floatingip_port_forwarding: `${adminOrReader} or ${ofParent}`,
  // A network that is shared is not thereby everybody's to number, nor that of those who may only read.
  create_subnet: `${admin} or ${networkMember}`,
  ...named(['update_subnet', 'delete_subnet'], `${adminOrMember} or ${networkMember}`),
  get_network: `${adminOrReader} or rule:shared or rule:external or rule:context_is_advsvc`,
  // Whoever may see a network may see whether it leads out; clients look for one by it.
  'get_network:router:external': '',
  get_subnet: `${adminOrReader} or rule:shared`,
  get_subnetpool: `${adminOrReader} or rule:shared`,
  get_address_scope: `${adminOrReader} or rule:shared`,
  get_address_group: `${adminOrReader} or rule:shared`,
  get_security_group: `${adminOrReader} or rule:shared`,
  get_security_group_rule: `${adminOrReader} or project_id:%(security_group:project_id)s`,
  get_service_provider: 'role:reader',

  get_port: `${adminOrReader} or rule:context_is_advsvc or rule:network_owner`,
  update_port: `${adminOrMember} or rule:context_is_advsvc`,
  'update_port:binding:vnic_type': `${adminOrMember} or rule:context_is_advsvc`,
  delete_port: `${adminOrMember} or rule:context_is_advsvc or ${networkMember}`,
  'update_port:mac_address': `${admin} or rule:context_is_advsvc`,
  'update_port:data_plane_status': `${admin} or role:data_plane_integrator`,
  ...named(
    ['create_port:device_owner', 'update_port:device_owner'],
    `not rule:network_device or ${networkOwner}`,
  ),
  ...named(
    [
      ...['create_port:mac_address', 'create_port:fixed_ips:ip_address'],
      ...['create_port:port_security_enabled', 'update_port:fixed_ips'],
      ...['update_port:fixed_ips:ip_address', 'update_port:port_security_enabled'],
    ],
    networkOwner,
  ),
  ...named(
    ['create_port:fixed_ips', 'create_port:fixed_ips:subnet_id', 'update_port:fixed_ips:subnet_id'],
    `${networkOwner} or rule:shared`,
  ),
  ...named(
    ['create_port:allowed_address_pairs', 'update_port:allowed_address_pairs'],
    `${admin} or ${networkMember}`,
  ),
  ...named(
    ['create_rbac_policy:target_tenant', 'update_rbac_policy:target_tenant'],
    `${admin} or not '*':%(target_tenant)s`,
  ),
};
