/** Snapshots: made and deleted in constant time; in the engine they have the id of their row. */
import Type from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import type { VolumeCore } from '../core.ts';
import { finish } from '../operations.ts';
import { findRow, setWorked } from '../rows.ts';
import type { VolumeTables } from '../tables.ts';
import { missingIsDone } from './missing.ts';

const input = Type.Object({
  snapshotId: Type.String(),
  volumeId: Type.String(),
  atMs: Type.Optional(Type.Number()),
});
const minuteMs = 60_000;

export function snapshotWorkflows(core: VolumeCore): readonly Workflow[] {
  return [createWorkflow(core), deleteWorkflow(core)];
}

function createWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'snapshot.create',
    input,
    steps: [
      {
        name: 'make',
        timeoutMs: minuteMs,
        retriesMax: 5,
        run: async ({ input: { snapshotId, volumeId, atMs }, operation }) => {
          const when = atMs === undefined ? {} : { atMs };
          await core.engine.snapshot(volumeId, { id: snapshotId, ...when });
          return {
            commit: (transaction) =>
              setWorked(
                roomOf<VolumeTables>(transaction),
                'volume_snapshot',
                snapshotId,
                { made: 1 },
                operation.id,
              ),
          };
        },
        undo: async ({ input: { snapshotId, volumeId } }) => {
          await missingIsDone(() => core.engine.deleteSnapshot(volumeId, snapshotId));
          return undefined;
        },
      },
    ],
    ended: (transaction, operation, { snapshotId }) =>
      finish(core, roomOf<VolumeTables>(transaction), 'volume_snapshot', snapshotId, operation),
  });
}

function deleteWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'snapshot.delete',
    input,
    pointOfNoReturn: 'remove',
    steps: [
      {
        name: 'remove',
        timeoutMs: minuteMs,
        retriesMax: 10,
        run: async ({ input: { snapshotId, volumeId } }) => {
          await missingIsDone(() => core.engine.deleteSnapshot(volumeId, snapshotId));
          return { commit: (transaction) => removeRow(core, roomOf(transaction), snapshotId) };
        },
      },
    ],
    ended: (transaction, operation, { snapshotId }) =>
      finish(core, roomOf<VolumeTables>(transaction), 'volume_snapshot', snapshotId, operation),
  });
}

async function removeRow(
  core: VolumeCore,
  transaction: Parameters<typeof setWorked>[0],
  snapshotId: string,
): Promise<void> {
  const row = await findRow(transaction, 'volume_snapshot', snapshotId);
  if (row === undefined) return;
  await transaction.deleteFrom('volume_snapshot').where('id', '=', snapshotId).execute();
  await core.quotas.release(transaction, snapshotId);
}
