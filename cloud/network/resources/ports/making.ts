/** Ports made: their MAC, their addresses, their groups. */
import { newMac } from '../../addresses/mac.ts';
import type { NetworkCore, Tx } from '../../core.ts';
import { fail } from '../../failures.ts';
import type { FixedIp, Network, Port } from '../../model/documents.ts';
import { claim } from '../../model/store.ts';
import { takeAddresses } from './addressing.ts';

export interface NewPort {
  readonly id?: string;
  readonly project_id: string;
  readonly fixed_ips?: readonly Partial<FixedIp>[] | undefined;
  readonly mac_address?: string | undefined;
  readonly device_id?: string;
  readonly device_owner?: string;
  /** Everything else, read already. */
  readonly rest?: Partial<Port>;
}

const emptyPort = {
  name: '',
  description: '',
  admin_state_up: true,
  device_id: '',
  device_owner: '',
  security_groups: [],
  port_security_enabled: false,
  allowed_address_pairs: [],
  extra_dhcp_opts: [],
  'binding:host_id': '',
  'binding:vnic_type': 'normal',
  'binding:profile': {},
  dns_name: '',
  dns_domain: '',
  qos_policy_id: null,
  data_plane_status: null,
  propagate_uplink_status: false,
  numa_affinity_policy: null,
} as const;

export async function makePort(
  core: NetworkCore,
  tx: Tx,
  network: Network,
  wanted: NewPort,
): Promise<Port> {
  const id = wanted.id ?? core.newId();
  const mac = await takeMac(core, tx, network, wanted.mac_address, id);
  const owner = { portId: id, mac, deviceOwner: wanted.device_owner ?? '' };
  const fixed = await takeAddresses(core, tx, network, owner, wanted.fixed_ips);
  const port = await core.insert(tx, 'port', {
    ...emptyPort,
    ...wanted.rest,
    id,
    project_id: wanted.project_id,
    network_id: network.id,
    mac_address: mac,
    fixed_ips: fixed,
    device_id: wanted.device_id ?? '',
    device_owner: wanted.device_owner ?? '',
  });
  await core.count(tx, 'port', port);
  return port;
}

const attemptsMax = 16;

export async function takeMac(
  core: NetworkCore,
  tx: Tx,
  network: { readonly id: string },
  wanted: string | undefined,
  portId: string,
): Promise<string> {
  const scope = `mac ${network.id}`;
  if (wanted !== undefined) {
    if (await claim(tx, scope, wanted, portId)) return wanted;
    throw fail(
      'mac-address-in-use',
      `Unable to complete operation for network ${network.id}. The mac address ${wanted} is in use.`,
    );
  }
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const mac = newMac(core.random);
    if (await claim(tx, scope, mac, portId)) return mac;
  }
  throw fail('service-unavailable', 'Unable to generate unique mac address.');
}
