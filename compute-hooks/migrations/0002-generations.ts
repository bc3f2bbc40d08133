/** Hosts count the changes of what is given out there; numbers of moves are kept from meeting. */
import type { Transaction } from 'kysely';

export async function addGenerations({ schema }: Transaction<unknown>): Promise<void> {
  await schema
    .alterTable('compute_host')
    .addColumn('generation', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await schema
    .createIndex('compute_migration_by_number')
    .on('compute_migration')
    .column('number')
    .unique()
    .execute();
}
