/**
 * Shelving: a server takes nothing of a host while nobody needs it. Its disks are volumes in the store already, so they stay as they are (upstream has
 * to make an image of them on the way), and taking it off the shelf copies nothing either.
 */

import type { ComputeCore } from '../../core.ts';
import { unplugPorts } from '../../guest-spec.ts';
import { portsOf } from '../../rows.ts';
import { release } from '../../scheduler.ts';
import type { ServerRow } from '../../tables.ts';
import type { Change } from '../change-server.ts';
import { closeDisks, makePorts, removeGuest, startGuest } from '../parts.ts';

async function leaveHost(core: ComputeCore, server: ServerRow): Promise<void> {
  await removeGuest(core, server);
  await unplugPorts(core, server);
  await closeDisks(core, server);
  for (const port of await portsOf(core.db, server.id)) await core.ports?.unbind(port.port_id);
}

export const shelveChanges: Readonly<Record<string, Change>> = {
  shelve: {
    run: async (core, { server }) => {
      const { hypervisor } = core.host(server.host);
      await hypervisor.stop(server.id, { graceMs: core.settings.stopGraceMs });
      await leaveHost(core, server);
      return {
        row: { mode: 'offloaded', power: 'stopped', host: null },
        commit: (transaction) => release(transaction, server.id),
      };
    },
  },
  unshelve: {
    run: async (core, { server, input, signal, write }) => {
      const row = { host: String(input.host), zone: String(input.zone) };
      await write(row);
      const placed = { ...server, ...row };
      await makePorts(core, placed);
      await startGuest(core, placed, signal);
      return { row: { mode: 'normal', power: 'running' } };
    },
    failed: async (_core, transaction, { serverId }) => {
      await release(transaction, serverId);
      await transaction
        .updateTable('compute_server')
        .set({ host: null })
        .where('id', '=', serverId)
        .execute();
    },
    undo: async (core, { server, input }) => {
      await leaveHost(core, { ...server, host: String(input.host) });
    },
  },
};
