/**
 * `os-reset_status`: an administrator says what the status of something is. It is shown, and decides what may be done, until the next operation
 * on it or the next word. `available` says nothing: the facts count again, and the last failure is forgotten.
 */
import type { Tx } from './core.ts';
import { volumeFailure } from './failures.ts';
import { setWorked, type WorkedTable } from './rows.ts';

const forAll = ['error', 'available', 'creating', 'deleting', 'error_deleting'];

const statuses: Readonly<Record<WorkedTable, readonly string[]>> = {
  volume: [
    ...forAll,
    ...[
      'error_managing',
      'managing',
      'attaching',
      'in-use',
      'detaching',
      'maintenance',
      'reserved',
    ],
    ...['restoring-backup', 'error_restoring', 'awaiting-transfer', 'backing-up', 'downloading'],
    ...['error_backing-up', 'error_extending', 'uploading', 'retyping', 'extending'],
  ],
  volume_snapshot: [...forAll, ...['deleted', 'updating', 'unmanaging', 'backing-up', 'restoring']],
  volume_backup: ['available', 'error'],
  volume_group: [...forAll, 'deleted', 'updating', 'in-use'],
  volume_group_snapshot: [...forAll, 'deleted', 'updating'],
};

const words: Readonly<Record<WorkedTable, string>> = {
  volume: 'Volume',
  volume_snapshot: 'Snapshot',
  volume_backup: 'Backup',
  volume_group: 'Group',
  volume_group_snapshot: 'Group snapshot',
};

/** The status as it is kept; refused when there is no such one. */
export function statusSaid(table: WorkedTable, given: unknown): string {
  const status = typeof given === 'string' ? given.trim().toLowerCase() : '';
  if (statuses[table].includes(status)) return status;
  throw volumeFailure('invalid-input', {
    why: `${words[table]} status: ${String(given).slice(0, 64)} is invalid, valid statuses are: ${statuses[table].join(', ')}.`,
  });
}

export async function sayStatus(
  transaction: Tx,
  table: WorkedTable,
  id: string,
  given: unknown,
): Promise<void> {
  const status = statusSaid(table, given);
  const said =
    status === 'available' ? { failure: null, said_status: null } : { said_status: status };
  await setWorked(transaction, table, id, said);
}
