/** What an administrator says that a row's status is, until something happens to it. */
import type { Transaction } from 'kysely';

const tables = [
  'volume',
  'volume_snapshot',
  'volume_backup',
  'volume_group',
  'volume_group_snapshot',
];

export async function addSaidStatuses({ schema }: Transaction<unknown>): Promise<void> {
  for (const table of tables)
    await schema.alterTable(table).addColumn('said_status', 'text').execute();
  await schema.alterTable('volume_snapshot').addColumn('said_progress', 'text').execute();
}
