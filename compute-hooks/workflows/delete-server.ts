/** Taking a server away, whatever is at work on it: the guest, its ports, its disks, its row. */
import Type from 'typebox';
import { declareWorkflow, hasEnded, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import type { ComputeCore } from '../core.ts';
import { finish } from '../operations.ts';
import { disksOf } from '../rows.ts';
import { release } from '../scheduler.ts';
import type { ComputeTables } from '../tables.ts';
import { dropDisk, getServer, releasePorts, removeGuest } from './parts.ts';

const askAgainMs = 50;

export function deleteServerWorkflow(core: ComputeCore): Workflow {
  return declareWorkflow({
    name: 'server.delete',
    input: Type.Object({
      serverId: Type.String(),
      /** The operation that was at work when the server was deleted. */
      before: Type.Union([Type.String(), Type.Null()]),
    }),
    // What is half gone is of no use to anybody: it is tried until it works.
    pointOfNoReturn: 'settle',
    steps: [
      {
        name: 'settle',
        timeoutMs: 60_000,
        retriesMax: 3,
        run: async ({ input: { before } }) => {
          if (before === null) return undefined;
          const operation = await core.operations.find(before);
          if (operation === undefined || hasEnded(operation)) return undefined;
          await core.operations.cancel(before);
          return { againAfterMs: askAgainMs };
        },
      },
      {
        name: 'guest',
        timeoutMs: 120_000,
        retriesMax: 5,
        run: async ({ input }) => {
          const server = await getServer(core, input.serverId);
          await removeGuest(core, server);
          await releasePorts(core, server);
          return undefined;
        },
      },
      {
        name: 'disks',
        timeoutMs: 300_000,
        retriesMax: 5,
        run: async ({ input: { serverId } }) => {
          for (const disk of await disksOf(core.db, serverId))
            await dropDisk(core, disk, { force: true });
          return undefined;
        },
      },
    ],
    ended: async (transaction, operation, { serverId }) => {
      const tx = roomOf<ComputeTables>(transaction);
      if (operation.state === 'succeeded') {
        for (const table of ['compute_disk', 'compute_port', 'compute_console'] as const)
          await tx.deleteFrom(table).where('server_id', '=', serverId).execute();
        await release(tx, serverId);
        await core.quotas.release(tx, serverId);
      }
      const gone = { deleted_at_us: core.clock.nowUs(), group_id: null };
      await finish(core, tx, serverId, operation, operation.state === 'succeeded' ? gone : {});
    },
  });
}
