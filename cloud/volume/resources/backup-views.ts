/** Backups as the API shows them. */
import type { Request } from '../caller.ts';
import type { Db } from '../core.ts';
import * as fields from '../fields.ts';
import { backupStatus } from '../status.ts';
import type { BackupRow } from '../tables.ts';
import { atLeast } from '../versions.ts';
import { linksOf, type View } from '../views.ts';
import { parseRecord } from '../workflows/backup-records.ts';

export function backupSummary(request: Request, row: BackupRow): View {
  return { id: row.id, name: row.name, links: linksOf(request, 'backups', row.id) };
}

export function backupDetail(
  request: Request,
  row: BackupRow,
  dependents: ReadonlySet<string>,
): View {
  const record = row.record_json === null ? undefined : parseRecord(row.record_json);
  const administrator = request.may('backup:backup_project_attribute');
  return {
    ...backupSummary(request, row),
    status: backupStatus(row),
    size: row.size_gib,
    object_count: record?.objects ?? 0,
    availability_zone: row.zone,
    container: row.container,
    created_at: fields.timeOf(row.created_at_us),
    updated_at: fields.timeOf(row.updated_at_us),
    description: row.description,
    fail_reason: row.failure,
    volume_id: row.volume_id,
    is_incremental: row.parent_id !== null,
    has_dependent_backups: dependents.has(row.id),
    snapshot_id: row.snapshot_id,
    data_timestamp: fields.timeOf(row.data_at_us),
    ...(atLeast(request, 'backupMetadata') ? { metadata: fields.parseMap(row.metadata_json) } : {}),
    ...(administrator && request.version.minor >= 18
      ? { 'os-backup-project-attr:project_id': row.project_id }
      : {}),
    ...(administrator && atLeast(request, 'backupUser') ? { user_id: row.user_id } : {}),
    ...(atLeast(request, 'encryptionKey') ? { encryption_key_id: row.encryption_key_id } : {}),
  };
}

/** Which of these backups others build on. */
export async function readDependents(
  db: Db,
  rows: readonly BackupRow[],
): Promise<ReadonlySet<string>> {
  if (rows.length === 0) return new Set();
  const children = await db
    .selectFrom('volume_backup')
    .select('parent_id')
    .where(
      'parent_id',
      'in',
      rows.map((row) => row.id),
    )
    .execute();
  return new Set(children.flatMap(({ parent_id }) => (parent_id === null ? [] : [parent_id])));
}
