/**
 * What the API calls a row's status, computed each time from what is known: whether it was made, the operation at work, the last failure,
 * the attachments, and what an administrator says of it. Nothing else stores a status, so nothing can be stuck in one.
 */
import type { AttachmentStage, BackupRow, Worked } from './tables.ts';

/** Kinds of operation on volumes, and what a volume's status is while they run. */
export const volumeKinds = {
  'volume.create': 'creating',
  'volume.download': 'downloading',
  'volume.restore': 'restoring-backup',
  'volume.delete': 'deleting',
  'volume.extend': 'extending',
  'volume.revert': 'reverting',
  'volume.retype': 'retyping',
  'volume.upload': 'uploading',
  'volume.backup': 'backing-up',
  'volume.reimage': 'downloading',
} as const;

/** And when they failed. What is not named here leaves a volume usable as it was. */
const volumeFailed: Readonly<Record<string, string>> = {
  'volume.create': 'error',
  'volume.download': 'error',
  'volume.restore': 'error_restoring',
  'volume.delete': 'error_deleting',
  'volume.revert': 'error',
  'volume.reimage': 'error',
};

export interface AttachmentFacts {
  readonly stage: string;
}

export function volumeStatus(
  volume: Worked,
  attachments: readonly AttachmentFacts[],
  transferring: boolean,
): string {
  const working = kindOf(volumeKinds, volume.operation_kind);
  if (volume.operation_id !== null && working !== undefined) return working;
  if (volume.said_status) return volume.said_status;
  if (volume.failure !== null) {
    const failed = volumeFailed[volume.operation_kind ?? ''];
    if (failed !== undefined) return failed;
  }
  if (volume.made === 0) return 'error';
  if (transferring) return 'awaiting-transfer';
  const at = (stage: AttachmentStage) => attachments.some((each) => each.stage === stage);
  if (at('detaching')) return 'detaching';
  if (at('attaching')) return 'attaching';
  if (at('attached')) return 'in-use';
  return at('reserved') ? 'reserved' : 'available';
}

export function snapshotStatus(snapshot: Worked): string {
  return simpleStatus(snapshot, 'available', {
    'snapshot.delete': ['deleting', 'error_deleting'],
    'volume.unmanage': ['unmanaging', 'error'],
  });
}

export function groupStatus(group: Worked): string {
  return simpleStatus(group, 'available', {
    'group.delete': ['deleting', 'error_deleting'],
    'group.update': ['updating', 'error'],
  });
}

export function backupStatus(backup: BackupRow): string {
  return simpleStatus(backup, 'available', {
    'backup.delete': ['deleting', 'error_deleting'],
    'backup.restore': ['restoring', 'available'],
  });
}

function simpleStatus(
  row: Worked,
  ready: string,
  kinds: Readonly<Record<string, readonly [working: string, failed: string]>>,
): string {
  const words = kinds[row.operation_kind ?? ''] ?? ['creating', 'error'];
  if (row.operation_id !== null) return words[0];
  if (row.said_status) return row.said_status;
  if (row.made === 0) return 'error';
  return row.failure === null ? ready : words[1];
}

function kindOf(kinds: Readonly<Record<string, string>>, kind: string | null): string | undefined {
  return kind !== null && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
}

/** A group snapshot is what its snapshots are. */
export function groupSnapshotStatus(row: Worked, snapshots: readonly Worked[]): string {
  if (row.operation_id !== null) return 'deleting';
  if (row.said_status) return row.said_status;
  if (row.failure !== null) return 'error_deleting';
  const words = snapshots.map(snapshotStatus);
  if (words.some((word) => word.startsWith('error'))) return 'error';
  return words.includes('creating') ? 'creating' : 'available';
}
