/** The four statements that every table with an `id` needs, in the words of Keystone's failures. */
import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../core.ts';
import { notFound } from '../failures.ts';
import type { IdentityTables } from '../tables.ts';
import { onDuplicate } from './removal.ts';

export interface Identified {
  readonly id: string;
}

type TableWithId = {
  [T in keyof IdentityTables]: IdentityTables[T] extends Identified ? T : never;
}[keyof IdentityTables];

export class Rows<R extends Identified> {
  readonly table: string;
  /** What one is called where it is missing or taken. */
  readonly what: string;

  constructor(table: string, what: string) {
    this.table = table;
    this.what = what;
  }

  async find(db: Db, id: string): Promise<R | undefined> {
    const found = await sql<R>`select * from ${sql.table(this.table)} where id = ${id}`.execute(db);
    return found.rows[0];
  }

  /** The row, or Keystone's 404. */
  async get(db: Db, id: string): Promise<R> {
    const row = await this.find(db, id);
    if (row === undefined) throw notFound(this.what, id);
    return row;
  }

  async list(db: Db, where: RawBuilder<boolean>, order = 'id'): Promise<R[]> {
    const table = sql.table(this.table);
    const found =
      await sql<R>`select * from ${table} where ${where} order by ${sql.ref(order)}`.execute(db);
    return found.rows;
  }

  async insert(transaction: Tx, row: R, name = row.id): Promise<void> {
    const columns = sql.join(Object.keys(row).map((column) => sql.ref(column)));
    const values = sql.join(Object.values(row));
    const statement = sql`insert into ${sql.table(this.table)} (${columns}) values (${values})`;
    await onDuplicate(this.what, name, () => statement.execute(transaction));
  }

  async update(transaction: Tx, row: R, name = row.id): Promise<void> {
    const changes = sql.join(
      Object.entries(row).map(([column, value]) => sql`${sql.ref(column)} = ${value}`),
    );
    const statement = sql`update ${sql.table(this.table)} set ${changes} where id = ${row.id}`;
    await onDuplicate(this.what, name, () => statement.execute(transaction));
  }

  async remove(transaction: Tx, id: string): Promise<void> {
    await sql`delete from ${sql.table(this.table)} where id = ${id}`.execute(transaction);
  }
}

export const rowsOf = <T extends TableWithId>(
  table: T,
  what: string,
): Rows<IdentityTables[T] & Identified> => new Rows(table, what);
