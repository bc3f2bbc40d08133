/** Users who are kept in a directory: what it knows them by. */
import type { Transaction } from 'kysely';
import { table } from './columns.ts';

export async function createDirectoryUsers(db: Transaction<unknown>): Promise<void> {
  await table(db, 'identity_directory_user', ['user_id', 'external_id'])
    .addPrimaryKeyConstraint('identity_directory_user_pk', ['user_id'])
    .addForeignKeyConstraint(
      'identity_directory_user_user',
      ['user_id'],
      'identity_user',
      ['id'],
      (on) => on.onDelete('cascade'),
    )
    .execute();
}
