/** Making a server: its disks, its ports, its guest. */
import Type from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import type { ComputeCore } from '../core.ts';
import { change, failureOf, finish } from '../operations.ts';
import { disksOf, findServer } from '../rows.ts';
import { release } from '../scheduler.ts';
import type { ComputeTables } from '../tables.ts';
import {
  dropDisk,
  getServer,
  makeDisks,
  makePorts,
  releasePorts,
  removeGuest,
  startGuest,
} from './parts.ts';

const minuteMs = 60_000;

export function createServerWorkflow(core: ComputeCore): Workflow {
  return declareWorkflow({
    name: 'server.create',
    input: Type.Object({ serverId: Type.String() }),
    steps: [
      {
        name: 'disks',
        timeoutMs: 10 * minuteMs,
        retriesMax: 3,
        run: async ({ input, signal }) => {
          await makeDisks(core, await getServer(core, input.serverId), signal);
          return undefined;
        },
        undo: async ({ input }) => {
          for (const disk of await disksOf(core.db, input.serverId))
            await dropDisk(core, { ...disk, delete_on_termination: 0 }, { force: true });
          return undefined;
        },
      },
      {
        name: 'ports',
        timeoutMs: 2 * minuteMs,
        retriesMax: 3,
        run: async ({ input }) => {
          await makePorts(core, await getServer(core, input.serverId));
          return undefined;
        },
        undo: async ({ input }) => {
          const server = await findServer(core.db, input.serverId);
          if (server !== undefined) await releasePorts(core, server);
          return undefined;
        },
      },
      {
        name: 'start',
        timeoutMs: 5 * minuteMs,
        retriesMax: 2,
        run: async ({ input, signal, operation }) => {
          const server = await getServer(core, input.serverId);
          await startGuest(core, server, signal);
          return {
            commit: (transaction) =>
              change(roomOf<ComputeTables>(transaction), server.id, operation, {
                made: 1,
                power: 'running',
                launched_at_us: core.clock.nowUs(),
              }),
          };
        },
        undo: async ({ input }) => {
          const server = await findServer(core.db, input.serverId);
          if (server !== undefined) await removeGuest(core, server);
          return undefined;
        },
      },
    ],
    ended: async (transaction, operation, { serverId }) => {
      const tx = roomOf<ComputeTables>(transaction);
      const failed = failureOf(operation) !== null;
      core.passwords.delete(serverId);
      // What was never made takes nothing of a host.
      if (failed) await release(tx, serverId);
      await finish(core, tx, serverId, operation, failed ? { host: null } : {});
    },
  });
}
