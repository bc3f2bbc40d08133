/** Backups of encrypted volumes say which key opens them. */
import type { Transaction } from 'kysely';

export async function addBackupKeys({ schema }: Transaction<unknown>): Promise<void> {
  await schema.alterTable('volume_backup').addColumn('encryption_key_id', 'text').execute();
}
