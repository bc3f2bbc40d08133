/**
 * Changing a server that is there: one step, whatever the change, which says what the row becomes. A change may be begun again after it was
 * broken off anywhere, so each is written to find made what is made.
 */
import Type, { type Static } from 'typebox';
import { declareWorkflow, type Operation, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import { Failure } from '#common';
import type { ComputeCore, Tx } from '../core.ts';
import { endMove } from '../moves.ts';
import { change, failureOf, finish } from '../operations.ts';
import type { ComputeTables, ServerRow } from '../tables.ts';
import { deviceChanges } from './changes/devices.ts';
import { imageChanges } from './changes/images.ts';
import { liveChanges } from './changes/live-migrate.ts';
import { moveChanges } from './changes/moves.ts';
import { powerChanges } from './changes/power.ts';
import { rebuildChanges } from './changes/rebuild.ts';
import { shelveChanges } from './changes/shelve.ts';
import { getServer } from './parts.ts';

const input = Type.Object({
  serverId: Type.String(),
  change: Type.String(),
  input: Type.Record(Type.String(), Type.Unknown()),
});

export interface ChangeStep {
  readonly server: ServerRow;
  readonly input: Readonly<Record<string, unknown>>;
  readonly operation: Operation;
  readonly signal: AbortSignal;
  progress(done: number, total: number, unit?: string): void;
  /** Writes to the row at once, for what must be known before the change is whole. */
  write(values: Partial<ServerRow>): Promise<void>;
}

export interface ChangeResult {
  readonly row?: Partial<ServerRow>;
  commit?(transaction: Tx): Promise<void>;
}

export interface Change {
  run(core: ComputeCore, step: ChangeStep): Promise<ChangeResult | undefined>;
  /** In the transaction of a failed end. */
  failed?(
    core: ComputeCore,
    transaction: Tx,
    input: Static<typeof inputOfChange> & { readonly operation: Operation },
  ): Promise<void>;
  /** Takes back what a failed change has made. */
  undo?(core: ComputeCore, step: Omit<ChangeStep, 'progress'>): Promise<void>;
}
const inputOfChange = input;

const changes: Readonly<Record<string, Change>> = {
  ...powerChanges,
  ...rebuildChanges,
  ...moveChanges,
  ...liveChanges,
  ...shelveChanges,
  ...imageChanges,
  ...deviceChanges,
};

const hourMs = 3_600_000;

export function changeServerWorkflow(core: ComputeCore): Workflow {
  const the = (name: string): Change => {
    const found = Object.hasOwn(changes, name) ? changes[name] : undefined;
    if (found !== undefined) return found;
    throw new Failure('bug', 'unknown-change', 'There is no such change', { facts: { name } });
  };
  const writer = (serverId: string, operation: Operation) => (values: Partial<ServerRow>) =>
    core.change((transaction) => change(transaction, serverId, operation, values));
  return declareWorkflow({
    name: 'server.change',
    input,
    steps: [
      {
        name: 'change',
        timeoutMs: hourMs,
        retriesMax: 2,
        run: async ({ input: wanted, operation, signal, progress }) => {
          const server = await getServer(core, wanted.serverId);
          const write = writer(server.id, operation);
          const step = { server, input: wanted.input, operation, signal, progress, write };
          const result = await the(wanted.change).run(core, step);
          return {
            commit: async (untyped) => {
              const transaction = roomOf<ComputeTables>(untyped);
              if (result?.row !== undefined)
                await change(transaction, server.id, operation, result.row);
              await result?.commit?.(transaction);
            },
          };
        },
        undo: async ({ input: wanted, operation, signal }) => {
          const { undo } = the(wanted.change);
          if (undo === undefined) return undefined;
          const server = await getServer(core, wanted.serverId);
          const write = writer(server.id, operation);
          await undo(core, { server, input: wanted.input, operation, signal, write });
          return undefined;
        },
      },
    ],
    ended: async (untyped, operation, wanted) => {
      const transaction = roomOf<ComputeTables>(untyped);
      core.passwords.delete(wanted.serverId);
      if (failureOf(operation) !== null)
        await the(wanted.change).failed?.(core, transaction, { ...wanted, operation });
      await endMove(core, transaction, operation);
      await finish(core, transaction, wanted.serverId, operation);
    },
  });
}
