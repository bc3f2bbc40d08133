/** What a guest has told of its password. */
import type { Transaction } from 'kysely';

export async function addPasswords({ schema }: Transaction<unknown>): Promise<void> {
  await schema.alterTable('compute_server').addColumn('password', 'text').execute();
}
