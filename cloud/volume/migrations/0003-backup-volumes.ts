/** Backups keep what was known of their volume beside its bytes. */
import type { Transaction } from 'kysely';

export async function addBackupVolumes({ schema }: Transaction<unknown>): Promise<void> {
  await schema
    .alterTable('volume_backup')
    .addColumn('volume_json', 'text', (column) => column.notNull().defaultTo('{}'))
    .execute();
}
