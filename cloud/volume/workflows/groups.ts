/** Groups that go with their volumes, and group snapshots with their snapshots. */
import Type from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import type { VolumeCore } from '../core.ts';
import { finish } from '../operations.ts';
import type { VolumeTables } from '../tables.ts';
import { removeData, removeRows } from './change-volume.ts';
import { missingIsDone } from './missing.ts';

const minuteMs = 60_000;

export function groupWorkflows(core: VolumeCore): readonly Workflow[] {
  return [deleteGroup(core), deleteGroupSnapshot(core)];
}

function deleteGroup(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'group.delete',
    input: Type.Object({ groupId: Type.String(), volumeIds: Type.Array(Type.String()) }),
    pointOfNoReturn: 'remove',
    steps: [
      {
        name: 'remove',
        timeoutMs: 60 * minuteMs,
        retriesMax: 10,
        run: async ({ input: { groupId, volumeIds }, progress }) => {
          for (const [at, volumeId] of volumeIds.entries()) {
            progress(at, volumeIds.length, 'volumes');
            await removeData(core, volumeId);
          }
          return {
            commit: async (untyped) => {
              const transaction = roomOf<VolumeTables>(untyped);
              for (const volumeId of volumeIds) await removeRows(core, transaction, volumeId);
              await transaction.deleteFrom('volume_group').where('id', '=', groupId).execute();
              await core.quotas.release(transaction, groupId);
            },
          };
        },
      },
    ],
    ended: async (untyped, operation, { groupId, volumeIds }) => {
      const transaction = roomOf<VolumeTables>(untyped);
      await finish(core, transaction, 'volume_group', groupId, operation);
      for (const volumeId of volumeIds)
        await finish(core, transaction, 'volume', volumeId, operation);
    },
  });
}

function deleteGroupSnapshot(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'group_snapshot.delete',
    input: Type.Object({ groupSnapshotId: Type.String() }),
    pointOfNoReturn: 'remove',
    steps: [
      {
        name: 'remove',
        timeoutMs: 60 * minuteMs,
        retriesMax: 10,
        run: async ({ input: { groupSnapshotId } }) => {
          const snapshots = await core.db
            .selectFrom('volume_snapshot')
            .select(['id', 'volume_id'])
            .where('group_snapshot_id', '=', groupSnapshotId)
            .execute();
          for (const { id, volume_id: volumeId } of snapshots)
            await missingIsDone(() => core.engine.deleteSnapshot(volumeId, id));
          return {
            commit: async (untyped) => {
              const transaction = roomOf<VolumeTables>(untyped);
              for (const { id } of snapshots) {
                await transaction.deleteFrom('volume_snapshot').where('id', '=', id).execute();
                await core.quotas.release(transaction, id);
              }
              await transaction
                .deleteFrom('volume_group_snapshot')
                .where('id', '=', groupSnapshotId)
                .execute();
            },
          };
        },
      },
    ],
    ended: (transaction, operation, { groupSnapshotId }) =>
      finish(
        core,
        roomOf<VolumeTables>(transaction),
        'volume_group_snapshot',
        groupSnapshotId,
        operation,
      ),
  });
}
