/** The port of a network from which its guests get DHCP's next hop to the metadata service: one per network, on every subnet with DHCP. */
import { takeAny } from '../../addresses/allocation.ts';
import type { NetworkCore, Tx } from '../../core.ts';
import type { Network, Port, Subnet } from '../../model/documents.ts';
import { makePort } from './making.ts';

export const serviceOwner = 'network:distributed';

export const serviceDevice = (networkId: string) => `ovnmeta-${networkId}`;

export async function ensureServicePort(
  core: NetworkCore,
  tx: Tx,
  network: Network,
  subnet: Subnet,
): Promise<Port | undefined> {
  const ports = await core.list(tx, 'port', {
    by: { network_id: network.id, device_owner: serviceOwner },
  });
  const [present] = ports;
  if (!subnet.enable_dhcp || subnet.ip_version !== 4 || network['router:external']) return present;
  if (present === undefined)
    return await makePort(core, tx, network, {
      // Nobody's: it is no port of the project's quota.
      project_id: '',
      device_id: serviceDevice(network.id),
      device_owner: serviceOwner,
      fixed_ips: [{ subnet_id: subnet.id }],
    });
  if (present.fixed_ips.some((fixed) => fixed.subnet_id === subnet.id)) return present;
  const fixed = await takeAny(tx, subnet, present.id);
  if (fixed === undefined) return present;
  return await core.update(tx, 'port', present, { fixed_ips: [...present.fixed_ips, fixed] });
}
