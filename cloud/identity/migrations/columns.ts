/** How identity's migrations write tables down. */
import type { CreateTableBuilder, Transaction } from 'kysely';

type Db = Transaction<unknown>;
type Table = CreateTableBuilder<string, string>;

/** A table whose columns are text and must have a value, unless named in `optional` or `numbers` (`?` marks optional). */
export function table(
  db: Db,
  name: string,
  texts: readonly string[],
  numbers: readonly string[] = [],
): Table {
  let made: Table = db.schema.createTable(name);
  for (const column of texts) made = addColumn(made, column, 'text');
  for (const column of numbers) made = addColumn(made, column, 'bigint');
  return made;
}

function addColumn(to: Table, column: string, type: 'text' | 'bigint'): Table {
  return column.endsWith('?')
    ? to.addColumn(column.slice(0, -1), type)
    : to.addColumn(column, type, (definition) => definition.notNull());
}

export async function index(db: Db, on: string, columns: string[]): Promise<void> {
  await db.schema
    .createIndex(`${on}_by_${columns.join('_')}`)
    .on(on)
    .columns(columns)
    .execute();
}
