/** Hosts in other processes are known to every controller. */
import type { Transaction } from 'kysely';

export async function addMembers({ schema }: Transaction<unknown>): Promise<void> {
  await schema
    .createTable('compute_member')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('tunnel', 'text', (column) => column.notNull().unique())
    .addColumn('fingerprint', 'text', (column) => column.notNull().unique())
    .addColumn('created_at_us', 'bigint', (column) => column.notNull())
    .execute();
}
