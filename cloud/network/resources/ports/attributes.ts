/** What a port may be given. */

import {
  atStart,
  decided,
  open,
  type Reader,
  required,
  shown,
  standard,
  Wrong,
} from '../../model/attributes.ts';
import {
  anyRecord,
  dnsDomain,
  dnsName,
  flag,
  ip,
  ipOrCidr,
  listOf,
  mac,
  name,
  oneOf,
  orNull,
  record,
  text,
  toNumber,
  uuid,
} from '../../model/readers.ts';
import { isKnownOption, dhcpOption as writtenOption } from '../../ovn/dhcp-options.ts';

const fixedIp: Reader = record({ subnet_id: { read: uuid }, ip_address: { read: ip } });
const addressPair: Reader = record({
  ip_address: { read: ipOrCidr, required: true },
  mac_address: { read: mac },
});
const dhcpOption: Reader = (value) => {
  const read = record({
    opt_name: { read: text(64), required: true },
    opt_value: { read: orNull(text(255)) },
    ip_version: { read: oneOf([4, 6], toNumber), default: 4 },
  })(value);
  const { opt_name: option, opt_value: wanted } = read as {
    opt_name: string;
    opt_value?: string | null;
  };
  if (wanted != null && isKnownOption(option) && writtenOption(option, wanted) === undefined)
    throw new Wrong(`'${wanted.slice(0, 64)}' is not a valid value of the DHCP option ${option}`);
  if (Reflect.get(Object(read), 'opt_name') === '')
    throw new Wrong("'' Blank strings are not permitted");
  return read;
};

export const portAttributes = {
  ...standard(name),
  network_id: required(uuid),
  admin_state_up: open(flag, true),
  mac_address: decided(mac, { put: true }),
  fixed_ips: decided(listOf(fixedIp, 32), { put: true, sort: false }),
  device_id: open(text(255), ''),
  device_owner: open(text(255), ''),
  status: shown(),
  security_groups: decided(listOf(uuid, 64), { put: true, sort: false }),
  port_security_enabled: decided(flag, { put: true }),
  allowed_address_pairs: open(listOf(addressPair, 10), [], { filter: false, sort: false }),
  extra_dhcp_opts: open(listOf(dhcpOption, 64), [], { filter: false, sort: false }),
  'binding:host_id': open(orNull(text(255)), '', { sort: false }),
  'binding:vnic_type': open(
    oneOf([
      'normal',
      'direct',
      'macvtap',
      'baremetal',
      'direct-physical',
      'virtio-forwarder',
      'smart-nic',
      'accelerator-direct',
      'vdpa',
      'remote-managed',
    ]),
    'normal',
    { filter: false, sort: false },
  ),
  'binding:profile': open(anyRecord, {}, { filter: false, sort: false }),
  'binding:vif_type': shown({ filter: false, sort: false }),
  'binding:vif_details': shown({ filter: false, sort: false }),
  dns_name: open(dnsName, ''),
  dns_domain: open(dnsDomain, ''),
  dns_assignment: shown({ filter: false, sort: false }),
  qos_policy_id: open(orNull(uuid), null),
  qos_network_policy_id: shown({ filter: false }),
  data_plane_status: { ...open(orNull(oneOf(['ACTIVE', 'DOWN'])), null), post: false },
  propagate_uplink_status: atStart(flag, false),
  numa_affinity_policy: open(orNull(oneOf(['required', 'preferred', 'legacy'])), null),
  ip_allocation: shown({ filter: false, sort: false }),
  resource_request: shown({ filter: false, sort: false }),
  trunk_details: shown({ filter: false, sort: false }),
};
