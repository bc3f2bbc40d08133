/** Migrations: numbered steps per room, forward only, each in a transaction of its own together with its record. */
import type { Kysely, Transaction } from 'kysely';
import { type Clock, Failure } from '#common';

export interface Migration {
  /** 1, 2, 3 … without gaps inside a room. Invariant: a published step never changes. */
  readonly number: number;
  readonly name: string;
  apply(transaction: Transaction<unknown>): Promise<void>;
}

export interface RoomMigrations {
  /** `identity`, `image` … */
  readonly room: string;
  readonly steps: readonly Migration[];
}

// A type, not an interface: Kysely wants tables assignable to records.
type MigrationTables = {
  state_migration: {
    room: string;
    number: number;
    name: string;
    applied_at_us: number;
  };
};

/** Brings the database up to the program; refuses one that a newer program has written, before changing anything. */
export async function migrate(
  db: Kysely<unknown>,
  rooms: readonly RoomMigrations[],
  clock: Clock,
): Promise<void> {
  for (const room of rooms) checkNumbers(room);
  await db.schema
    .createTable('state_migration')
    .ifNotExists()
    .addColumn('room', 'text', (column) => column.notNull())
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('applied_at_us', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('state_migration_pk', ['room', 'number'])
    .execute();
  await refuseNewer(db, rooms);
  for (const room of rooms) {
    for (const step of room.steps) await applyOnce(db, room.room, step, clock);
  }
}

function checkNumbers(room: RoomMigrations): void {
  room.steps.forEach((step, index) => {
    if (step.number !== index + 1) {
      const facts = { room: room.room, number: step.number, expected: index + 1 };
      throw new Failure('bug', 'bad-migrations', 'Migrations are numbered 1, 2, 3 …', { facts });
    }
  });
}

async function refuseNewer(db: Kysely<unknown>, rooms: readonly RoomMigrations[]): Promise<void> {
  const tables = db.$extendTables<MigrationTables>();
  const applied = await tables
    .selectFrom('state_migration')
    .select((select) => ['room', select.fn.max('number').as('newest')])
    .groupBy('room')
    .execute();
  for (const { room, newest } of applied) {
    const known = rooms.find((other) => other.room === room)?.steps.length ?? 0;
    if (newest > known) {
      throw new Failure(
        'invalid',
        'state-newer',
        'The state was written by a newer version of this program; start that version, or restore an older copy',
        { facts: { room, found: newest, known } },
      );
    }
  }
}

async function applyOnce(
  db: Kysely<unknown>,
  room: string,
  step: Migration,
  clock: Clock,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const tables = transaction.$extendTables<MigrationTables>();
    // Asked inside the transaction: another controller may be starting at the same moment.
    const done = await tables
      .selectFrom('state_migration')
      .select('number')
      .where('room', '=', room)
      .where('number', '=', step.number)
      .executeTakeFirst();
    if (done !== undefined) return;
    await step.apply(transaction);
    await tables
      .insertInto('state_migration')
      .values({ room, number: step.number, name: step.name, applied_at_us: clock.nowUs() })
      .execute();
  });
}
