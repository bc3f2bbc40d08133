/** Removes a backup's objects from where they were shipped. Backups that build on it can't be restored afterwards: the caller knows which do. */
import { manifestName, objectName } from './backup-format.ts';
import type { BackupRecord, BackupStore } from './backup-types.ts';

/** May be repeated. The manifest goes first, so that what is half gone is no backup any more. */
export async function deleteBackup(request: {
  readonly record: BackupRecord;
  readonly store: BackupStore;
}): Promise<void> {
  const { record, store } = request;
  await store.delete(manifestName(record.prefix));
  for (let number = 1; number <= record.objects; number++)
    await store.delete(objectName(record.prefix, number));
}
