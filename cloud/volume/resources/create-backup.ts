/** Making a backup: whole, or what changed since the newest one of the volume. */
import Type, { type Static } from 'typebox';
import { isFailure } from '#common';
import { keptOf } from '../backed-up-volume.ts';
import { callerOf, flagOf, type Request } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { begin, take } from '../operations.ts';
import { backupAmounts, hold } from '../quotas.ts';
import { visibleRow } from '../rows.ts';
import { snapshotStatus } from '../status.ts';
import type { BackupRow } from '../tables.ts';
import { atLeast } from '../versions.ts';
import { factsOf } from '../volume-facts.ts';

export const createBackupBody = Type.Object(
  {
    backup: Type.Object(
      {
        volume_id: fields.uuid,
        container: fields.optional(Type.String({ maxLength: 255, pattern: '^[^/]*$' })),
        name: fields.optional(fields.text),
        description: fields.optional(fields.text),
        incremental: Type.Optional(fields.flagOrNull),
        force: Type.Optional(fields.flagOrNull),
        snapshot_id: fields.optional(fields.uuid),
        metadata: fields.optional(fields.metadata),
        availability_zone: fields.optional(fields.text),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
type Wanted = Static<typeof createBackupBody>['backup'];

export async function beginBackup(
  core: VolumeCore,
  request: Request,
  wanted: Wanted,
): Promise<BackupRow> {
  const force = flagOf(wanted.force, 'force');
  const first = await visibleRow(core.db, request, 'volume', wanted.volume_id);
  if (wanted.container) checkPlace(core, first.project_id, wanted.container);
  return await core.changeOf(first.project_id, async (transaction) => {
    const volume = await visibleRow(transaction, request, 'volume', wanted.volume_id);
    const { status } = await factsOf(transaction, volume);
    const fromSnapshot = wanted.snapshot_id !== undefined && wanted.snapshot_id !== null;
    if (status !== 'available' && !(status === 'in-use' && (force || fromSnapshot)))
      throw volumeFailure('invalid-volume', {
        why: `Backing up an in-use volume must use the force flag. Volume ${volume.id} is ${status}.`,
      });
    const snapshot = await snapshotOf(transaction, request, volume.id, wanted.snapshot_id);
    const parent = flagOf(wanted.incremental, 'incremental')
      ? await parentOf(transaction, volume.id, volume.project_id)
      : undefined;
    // An incremental one goes where the one before it lies, and nowhere else.
    const container = wanted.container || (parent?.container ?? core.settings.backupContainer);
    if (!wanted.container) checkPlace(core, volume.project_id, container);
    const now = core.clock.nowUs();
    const id = core.newId();
    const row: BackupRow = {
      id,
      volume_id: volume.id,
      project_id: volume.project_id,
      user_id: callerOf(request).userId,
      name: fields.trimmed(wanted.name),
      description: fields.trimmed(wanted.description),
      size_gib: snapshot?.size_gib ?? volume.size_gib,
      container,
      parent_id: parent?.id ?? null,
      snapshot_id: snapshot?.id ?? null,
      pin_id: id,
      metadata_json: JSON.stringify(
        (atLeast(request, 'backupMetadata') ? wanted.metadata : null) ?? {},
      ),
      record_json: null,
      encryption_key_id: volume.encryption_key_id,
      volume_json: keptOf(volume),
      zone: core.settings.zone,
      data_at_us: snapshot?.created_at_us ?? now,
      created_at_us: now,
      updated_at_us: now,
      made: 0,
      operation_id: null,
      operation_kind: null,
      failure: null,
    };
    if (parent !== undefined && parent.container !== row.container)
      throw volumeFailure('invalid-backup', {
        why: `the parent backup lies in container ${parent.container}; an incremental one goes there too.`,
      });
    await hold(core, transaction, row.project_id, id, backupAmounts(row.size_gib));
    await transaction.insertInto('volume_backup').values(row).execute();
    const operationId = await begin(core, transaction, request, {
      table: 'volume_backup',
      id,
      kind: 'backup.create',
      workflow: 'backup.create',
      input: { backupId: id, volumeId: volume.id },
      projectId: row.project_id,
    });
    // A guest goes on writing meanwhile: what is backed up is the pin.
    await take(transaction, 'volume', volume.id, operationId, 'volume.backup');
    return { ...row, operation_id: operationId, operation_kind: 'backup.create' };
  });
}

export function checkPlace(core: VolumeCore, projectId: string, container: string): void {
  try {
    core.backups.check(projectId, container);
  } catch (error) {
    if (!isFailure(error, 'invalid')) throw error;
    throw volumeFailure(
      'invalid-input',
      { why: `container ${container}: ${error.message}` },
      error,
    );
  }
}

async function snapshotOf(
  transaction: Tx,
  request: Request,
  volumeId: string,
  id: string | null | undefined,
) {
  if (id === undefined || id === null) return undefined;
  const snapshot = await visibleRow(transaction, request, 'volume_snapshot', id);
  if (snapshot.volume_id !== volumeId)
    throw volumeFailure('invalid-snapshot', {
      why: `Snapshot ${id} is not of volume ${volumeId}.`,
    });
  if (snapshotStatus(snapshot) !== 'available')
    throw volumeFailure('invalid-snapshot', {
      why: 'Snapshot to be backed up must be available.',
    });
  return snapshot;
}

/** The newest backup of the volume whose pin is still there to compare with. */
async function parentOf(transaction: Tx, volumeId: string, projectId: string): Promise<BackupRow> {
  const newest = await transaction
    .selectFrom('volume_backup')
    .leftJoin('volume_snapshot', 'volume_snapshot.id', 'volume_backup.snapshot_id')
    .selectAll('volume_backup')
    .where('volume_backup.volume_id', '=', volumeId)
    .where('volume_backup.project_id', '=', projectId)
    .where('volume_backup.made', '=', 1)
    .where('pin_id', '<>', '')
    // Of a snapshot of the user's, that one is the pin, and may have been deleted.
    .where((where) =>
      where.or([
        where('volume_backup.snapshot_id', 'is', null),
        where('volume_snapshot.id', 'is not', null),
      ]),
    )
    .orderBy('data_at_us', 'desc')
    .executeTakeFirst();
  if (newest === undefined)
    throw volumeFailure('invalid-backup', {
      why: 'No backups available to do an incremental backup.',
    });
  return newest;
}
