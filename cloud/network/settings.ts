/** Settings of the network service. */
import { declareSettings, type SettingsOf } from '#common';

const quota = (what: string, byDefault: number) =>
  ({
    type: 'integer',
    default: byDefault,
    min: -1,
    max: 1_000_000,
    about: `${what} of a project unless its quota says otherwise; -1 is without limit.`,
  }) as const;

export const networkSettings = declareSettings({
  backend: {
    type: 'choice',
    default: 'auto',
    choices: ['auto', 'none'],
    about:
      '`auto` starts Open vSwitch and OVN as soon as something needs them, when this is root; `none` serves the API alone.',
  },
  externalRange: {
    type: 'text',
    default: '172.24.4.0/24',
    pattern: /^\d+\.\d+\.\d+\.\d+\/\d+$/,
    about:
      'Addresses of the external network `public` that is made at first start; the next range that this machine does not use yet is taken. The first address is the machine itself. A later start on a machine that has the range otherwise by then is refused (`pileus network status` says so).',
  },
  tunnelRange: {
    type: 'text',
    default: '10.255.255.0/24',
    pattern: /^\d+\.\d+\.\d+\.\d+\/\d+$/,
    about:
      'Addresses that compute hosts in other processes have among themselves for the tunnels of networks; the first is this machine.',
  },
  externalNetwork: {
    type: 'switch',
    default: true,
    about: 'An external network `public` is made at first start, reachable from this machine.',
  },
  dnsDomain: {
    type: 'text',
    default: 'openstacklocal.',
    about: 'Domain of ports whose network has none; ends in a dot.',
  },
  dnsServers: {
    type: 'text',
    default: '',
    about: 'Name servers of subnets that have none of their own (comma-separated).',
  },
  mtu: {
    type: 'integer',
    default: 1_500,
    min: 576,
    max: 9_216,
    about:
      'Of the network under everything; tenant networks have so much less as their tunnels need.',
  },
  vlanRanges: {
    type: 'text',
    default: '',
    about:
      'Physical networks that VLAN networks may be allocated on: `physnet:first:last`, comma-separated; a name alone only takes what administrators name.',
  },
  tunnelIdsMax: {
    type: 'integer',
    default: 65_536,
    min: 1,
    max: 16_777_215,
    about: 'Tunnel ids that tenant networks are allocated from, beginning at 1.',
  },
  tenantNetworkType: {
    type: 'choice',
    default: 'geneve',
    choices: ['geneve', 'vxlan', 'gre', 'vlan'],
    about: 'Type of networks of which nobody says what they are.',
  },
  dhcpLeaseS: {
    type: 'integer',
    default: 43_200,
    min: 60,
    max: 31_536_000,
    about: 'How long a DHCP lease is good.',
  },
  limitMax: {
    type: 'integer',
    default: 1_000_000,
    min: 1,
    max: 1_000_000,
    about: 'Entries of a page at most.',
  },
  bulkMax: {
    type: 'integer',
    default: 256,
    min: 1,
    max: 4_096,
    about: 'Resources of one bulk request.',
  },
  reconcileMs: {
    type: 'integer',
    default: 10_000,
    min: 100,
    max: 3_600_000,
    about: 'How often OVN is compared with what should be there when nothing has changed.',
  },
  networksMax: quota('Networks', 100),
  subnetsMax: quota('Subnets', 100),
  portsMax: quota('Ports', 500),
  routersMax: quota('Routers', 10),
  floatingIpsMax: quota('Floating IPs', 50),
  securityGroupsMax: quota('Security groups', 10),
  securityGroupRulesMax: quota('Security group rules', 100),
  subnetPoolsMax: quota('Subnet pools', -1),
  rbacPoliciesMax: quota('RBAC policies', 10),
  trunksMax: quota('Trunks', -1),
});

export type NetworkSettings = SettingsOf<typeof networkSettings>;
