/**
 * Backups: a pin (a snapshot of the engine), then the bytes that changed since the backup before, shipped to the object store. The pin
 * stays for the next incremental backup and goes with this one, or with the volume.
 */
import Type from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import { Failure } from '#common';
import { restoredColumns } from '../backed-up-volume.ts';
import type { VolumeCore } from '../core.ts';
import { holdKey, releaseKey } from '../key-holders.ts';
import { finish } from '../operations.ts';
import { findRow, setWorked } from '../rows.ts';
import type { BackupRow, VolumeTables } from '../tables.ts';
import { parseRecord, sharersOf, storeOf } from './backup-records.ts';
import { forgetPins, removeData } from './change-volume.ts';
import { makeVolume, shipTimeoutMs, theRow } from './create-volume.ts';
import { missingIsDone } from './missing.ts';

const input = Type.Object({ backupId: Type.String(), volumeId: Type.String() });
const minuteMs = 60_000;

export function backupWorkflows(core: VolumeCore): readonly Workflow[] {
  return [createWorkflow(core), deleteWorkflow(core), restoreWorkflow(core)];
}

async function theBackup(core: VolumeCore, backupId: string): Promise<BackupRow> {
  const row = await findRow(core.db, 'volume_backup', backupId);
  if (row !== undefined) return row;
  throw new Failure('missing', 'backup-row-missing', 'The backup is not known any more', {
    facts: { backupId },
  });
}

function createWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'backup.create',
    input,
    steps: [
      {
        name: 'pin',
        timeoutMs: minuteMs,
        retriesMax: 5,
        run: async ({ input: { backupId, volumeId } }) => {
          const row = await theBackup(core, backupId);
          // Of a snapshot of the user's, that one is what is pinned.
          if (row.snapshot_id === null) await core.engine.snapshot(volumeId, { id: row.pin_id });
          return undefined;
        },
        undo: async ({ input: { backupId, volumeId } }) => {
          const row = await theBackup(core, backupId);
          await missingIsDone(() => core.engine.deleteSnapshot(volumeId, row.pin_id));
          return undefined;
        },
      },
      {
        name: 'ship',
        timeoutMs: shipTimeoutMs,
        retriesMax: 5,
        run: async ({ input: { backupId, volumeId }, operation, progress, signal }) => {
          const row = await theBackup(core, backupId);
          await holdKey(core, row.encryption_key_id, { kind: 'backups', id: backupId });
          const parent = row.parent_id === null ? undefined : await theBackup(core, row.parent_id);
          const record = await core.engine.backup({
            id: backupId,
            volume: volumeId,
            snapshot: row.snapshot_id ?? row.pin_id,
            store: storeOf(core, row),
            prefix: prefixOf(row),
            ...(parent?.record_json ? { parent: parseRecord(parent.record_json) } : {}),
            signal,
            onProgress: ({ doneBytes, totalBytes }) => progress(doneBytes, totalBytes, 'bytes'),
          });
          return {
            commit: async (untyped) => {
              const transaction = roomOf<VolumeTables>(untyped);
              await setWorked(transaction, 'volume_backup', backupId, { made: 1 }, operation.id);
              await transaction
                .updateTable('volume_backup')
                .set({ record_json: JSON.stringify(record), updated_at_us: core.clock.nowUs() })
                .where('id', '=', backupId)
                .execute();
            },
          };
        },
      },
    ],
    ended: async (untyped, operation, { backupId, volumeId }) => {
      const transaction = roomOf<VolumeTables>(untyped);
      await finish(core, transaction, 'volume_backup', backupId, operation);
      await setWorked(transaction, 'volume', volumeId, { operation_id: null }, operation.id);
    },
  });
}

export function prefixOf(row: Pick<BackupRow, 'id' | 'volume_id'>): string {
  return `volume_${row.volume_id}/backup_${row.id}`;
}

function deleteWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'backup.delete',
    input,
    pointOfNoReturn: 'remove',
    steps: [
      {
        name: 'remove',
        timeoutMs: 60 * minuteMs,
        retriesMax: 10,
        run: async ({ input: { backupId, volumeId } }) => {
          const row = await theBackup(core, backupId);
          if (row.record_json !== null) {
            const record = parseRecord(row.record_json);
            const others = await sharersOf(core.db, row);
            // What was imported twice is one backup known by two ids: the last takes its objects with it.
            if (!others.some(({ prefix }) => prefix === record.prefix))
              await missingIsDone(() =>
                core.engine.deleteBackup({ record, store: storeOf(core, row) }),
              );
          }
          if (row.pin_id !== '')
            await missingIsDone(() => core.engine.deleteSnapshot(volumeId, row.pin_id));
          await releaseKey(core, row.encryption_key_id, { kind: 'backups', id: backupId });
          return {
            commit: async (untyped) => {
              const transaction = roomOf<VolumeTables>(untyped);
              await transaction.deleteFrom('volume_backup').where('id', '=', backupId).execute();
              await core.quotas.release(transaction, backupId);
            },
          };
        },
      },
    ],
    ended: (transaction, operation, { backupId }) =>
      finish(core, roomOf<VolumeTables>(transaction), 'volume_backup', backupId, operation),
  });
}

/** Into a volume that is there: its content goes, and the backup's takes its place under the same id. */
function restoreWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'backup.restore',
    input,
    pointOfNoReturn: 'empty',
    steps: [
      {
        name: 'empty',
        timeoutMs: 10 * minuteMs,
        retriesMax: 10,
        run: async ({ input: { volumeId } }) => {
          await removeData(core, volumeId);
          return { commit: (transaction) => forgetPins(roomOf(transaction), volumeId) };
        },
      },
      {
        name: 'fill',
        timeoutMs: shipTimeoutMs,
        retriesMax: 10,
        run: async ({ input: { backupId, volumeId }, progress, signal }) => {
          const { encryption_key_id, volume_json } = await theBackup(core, backupId);
          const before = await theRow(core, volumeId);
          const row = { ...before, encryption_key_id };
          await makeVolume(core, row, { kind: 'backup', backupId }, { progress, signal });
          if (before.encryption_key_id !== encryption_key_id)
            await releaseKey(core, before.encryption_key_id, { kind: 'volumes', id: volumeId });
          return {
            commit: async (untyped) => {
              await roomOf<VolumeTables>(untyped)
                .updateTable('volume')
                .set({ encryption_key_id, ...restoredColumns(volume_json) })
                .where('id', '=', volumeId)
                .execute();
            },
          };
        },
      },
    ],
    ended: async (untyped, operation, { backupId, volumeId }) => {
      const transaction = roomOf<VolumeTables>(untyped);
      await finish(core, transaction, 'volume', volumeId, operation);
      await setWorked(transaction, 'volume_backup', backupId, { operation_id: null }, operation.id);
    },
  });
}
