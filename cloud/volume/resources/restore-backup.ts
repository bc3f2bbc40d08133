/** Restoring a backup: into a new volume, or over one that is there. */
import { restoredColumns, restoredNames } from '../backed-up-volume.ts';
import { callerOf, projectOf, type Request } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import { begin, take } from '../operations.ts';
import { hold, refuseTooLarge, volumeAmounts } from '../quotas.ts';
import { visibleRow } from '../rows.ts';
import type { BackupRow, VolumeRow } from '../tables.ts';
import { factsOf } from '../volume-facts.ts';
import { defaultType } from './types.ts';

export async function beginRestore(
  core: VolumeCore,
  request: Request,
  backup: BackupRow,
  wanted: { readonly name?: string | null; readonly volume_id?: string | null },
): Promise<VolumeRow> {
  if (backup.record_json === null || backup.operation_id !== null)
    throw volumeFailure('invalid-backup', { why: 'Backup status must be available' });
  const projectId = projectOf(request);
  if (wanted.volume_id) return await overwrite(core, request, backup, wanted.volume_id);
  const type = await defaultType(core, projectId);
  await refuseTooLarge(core, projectId, backup.size_gib);
  const now = core.clock.nowUs();
  const row: VolumeRow = {
    id: core.newId(),
    project_id: projectId,
    user_id: callerOf(request).userId,
    name: wanted.name || `restore_backup_${backup.id}`,
    description: null,
    size_gib: backup.size_gib,
    type_id: type.id,
    zone: core.settings.zone,
    bootable: 0,
    multiattach: 0,
    readonly: 0,
    metadata_json: '{}',
    image_metadata_json: '{}',
    snapshot_id: null,
    source_volid: null,
    group_id: null,
    encryption_key_id: backup.encryption_key_id,
    created_at_us: now,
    updated_at_us: now,
    made: 0,
    operation_id: null,
    operation_kind: null,
    failure: null,
    ...restoredColumns(backup.volume_json),
    ...(wanted.name ? {} : restoredNames(backup.volume_json)),
  };
  await core.changeOf(projectId, async (transaction) => {
    await hold(core, transaction, projectId, row.id, volumeAmounts(type.name, row.size_gib));
    await transaction.insertInto('volume').values(row).execute();
    await begin(core, transaction, request, {
      table: 'volume',
      id: row.id,
      kind: 'volume.restore',
      workflow: 'volume.create',
      input: { volumeId: row.id, source: { kind: 'backup', backupId: backup.id } },
      projectId,
    });
  });
  return row;
}

async function overwrite(
  core: VolumeCore,
  request: Request,
  backup: BackupRow,
  volumeId: string,
): Promise<VolumeRow> {
  return await core.change(async (transaction) => {
    const volume = await visibleRow(transaction, request, 'volume', volumeId);
    const { status } = await factsOf(transaction, volume);
    if (status !== 'available')
      throw volumeFailure('invalid-volume', { why: 'Volume to be restored to must be available' });
    if (backup.size_gib > volume.size_gib)
      throw volumeFailure('invalid-volume', {
        why: `volume size ${volume.size_gib} is too small to restore backup of size ${backup.size_gib}.`,
      });
    await refuseWithSnapshots(transaction, volumeId);
    const operationId = await begin(core, transaction, request, {
      table: 'volume',
      id: volumeId,
      kind: 'volume.restore',
      workflow: 'backup.restore',
      input: { backupId: backup.id, volumeId },
      projectId: volume.project_id,
    });
    await take(transaction, 'volume_backup', backup.id, operationId, 'backup.restore');
    return volume;
  });
}

/** Its content is replaced as a whole: a snapshot of the old one would have nothing to belong to. */
async function refuseWithSnapshots(transaction: Tx, volumeId: string): Promise<void> {
  const snapshot = await transaction
    .selectFrom('volume_snapshot')
    .select('id')
    .where('volume_id', '=', volumeId)
    .executeTakeFirst();
  if (snapshot !== undefined)
    throw volumeFailure('invalid-volume', {
      why: `Volume ${volumeId} has snapshots: restore into a new volume instead.`,
    });
}
