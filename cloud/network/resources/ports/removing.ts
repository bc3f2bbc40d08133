/** A port's end: its addresses are free, what pointed at it does no more. */
import { giveBack } from '../../addresses/allocation.ts';
import type { NetworkCore, Tx } from '../../core.ts';
import type { Port } from '../../model/documents.ts';
import { unclaim } from '../../model/store.ts';

export async function removePort(core: NetworkCore, tx: Tx, port: Port): Promise<void> {
  for (const floating of await core.list(tx, 'floatingip', { by: { port_id: port.id } }))
    await core.update(tx, 'floatingip', floating, {
      port_id: null,
      fixed_ip_address: null,
      router_id: null,
    });
  for (const forwarding of await core.list(tx, 'port_forwarding', { by: { port_id: port.id } }))
    await core.remove(tx, forwarding);
  for (const fixed of port.fixed_ips) await giveBack(tx, fixed, port.id);
  await unclaim(tx, `mac ${port.network_id}`, port.mac_address, port.id);
  await core.remove(tx, port);
}
