/** A backup that an administrator imported may lie among the objects of another project. */
import type { Transaction } from 'kysely';

export async function addBackupPlaces({ schema }: Transaction<unknown>): Promise<void> {
  await schema.alterTable('volume_backup').addColumn('place_project_id', 'text').execute();
}
