/** The engine's record of a backup, and the store where its objects lie. */
import { Failure } from '#common';
import type { VolumeCore } from '../core.ts';
import type { EngineBackupRecord, EngineBackupStore } from '../engine.ts';
import { findRow } from '../rows.ts';
import type { BackupRow } from '../tables.ts';

export async function recordOf(
  core: VolumeCore,
  backupId: string,
): Promise<{ readonly record: EngineBackupRecord; readonly store: EngineBackupStore }> {
  const row = await findRow(core.db, 'volume_backup', backupId);
  if (row === undefined || row.record_json === null)
    throw new Failure('missing', 'backup-row-missing', 'The backup is not known any more', {
      facts: { backupId },
    });
  return { record: parseRecord(row.record_json), store: storeOf(core, row) };
}

export function storeOf(core: VolumeCore, row: BackupRow): EngineBackupStore {
  return core.backups.open(row.project_id, row.container);
}

/** Written by this room, or checked when it was imported. */
export function parseRecord(text: string): EngineBackupRecord {
  return JSON.parse(text) as EngineBackupRecord;
}
