/** The engine's record of a backup, and the store where its objects lie. */
import { sql } from 'kysely';
import { Failure } from '#common';
import type { Db, Tx, VolumeCore } from '../core.ts';
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
  return core.backups.open(placeOf(row), row.container);
}

/** The project whose container it is. */
const placeOf = (row: BackupRow) => row.place_project_id ?? row.project_id;

/** Records of other backups in the same place: imported twice, or built upon each other, they share objects. */
export async function sharersOf(db: Db | Tx, row: BackupRow): Promise<EngineBackupRecord[]> {
  const rows = await db
    .selectFrom('volume_backup')
    .select('record_json')
    .where(sql`coalesce(place_project_id, project_id)`, '=', placeOf(row))
    .where('container', '=', row.container)
    .where('volume_id', '=', row.volume_id)
    .where('id', '<>', row.id)
    .execute();
  return rows.flatMap(({ record_json: text }) => (text === null ? [] : [parseRecord(text)]));
}

/** Written by this room, or checked when it was imported. */
export function parseRecord(text: string): EngineBackupRecord {
  return JSON.parse(text) as EngineBackupRecord;
}
