import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFailure } from '#common';
import { type RoomMigrations, roomOf, type State } from './index.ts';
import { engines, TestDatabase } from './testing/engines.ts';
import { fruits, rowOf, type Tables } from './testing/fruits.ts';

let database: TestDatabase;
afterEach(() => database.remove());

const start = (migrations = [fruits], settings = {}): Promise<State> =>
  database.open(migrations, { settings });

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => (isFailure(error) ? `${error.kind} ${error.code}` : String(error)),
  );

describe.each(engines)('state on %s', (engine) => {
  beforeEach(() => {
    database = new TestDatabase(engine);
  });

  it('keeps rows across a restart', async () => {
    const first = await start();
    await first.db.$extendTables<Tables>().insertInto('fruit').values(rowOf('apple', 7)).execute();
    await first.close();
    const again = await start();
    const rows = await again.db.$extendTables<Tables>().selectFrom('fruit').selectAll().execute();
    expect(rows).toEqual([rowOf('apple', 7)]);
  });

  it('rolls a failed transaction back and serves the next one', async () => {
    const state = await start();
    const db = state.db.$extendTables<Tables>();
    await expect(
      state.transaction(async (transaction) => {
        await transaction.$extendTables<Tables>().insertInto('fruit').values(rowOf('a')).execute();
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    expect(await db.selectFrom('fruit').selectAll().execute()).toEqual([]);
    await db.insertInto('fruit').values(rowOf('b')).execute();
    expect(await db.selectFrom('fruit').select('id').execute()).toEqual([{ id: 'b' }]);
  });

  it('lets readers see the last commit while a transaction is open', async () => {
    const state = await start();
    const db = state.db.$extendTables<Tables>();
    await state.transaction(async (transaction) => {
      await transaction.$extendTables<Tables>().insertInto('fruit').values(rowOf('a')).execute();
      expect(await db.selectFrom('fruit').selectAll().execute()).toEqual([]);
    });
    expect(await db.selectFrom('fruit').selectAll().execute()).toHaveLength(1);
  });

  it('counts exactly when many transactions read and write the same row', async () => {
    const state = await start();
    const db = state.db.$extendTables<Tables>();
    await db.insertInto('fruit').values(rowOf('a', 0)).execute();
    const addOne = () =>
      state.transaction(async (transaction) => {
        const tables = transaction.$extendTables<Tables>();
        const row = await tables.selectFrom('fruit').select('amount').executeTakeFirstOrThrow();
        await tables
          .updateTable('fruit')
          .set({ amount: row.amount + 1 })
          .execute();
      });
    await Promise.all(Array.from({ length: 200 }, addOne));
    expect((await db.selectFrom('fruit').select('amount').executeTakeFirst())?.amount).toBe(200);
  });

  it('says what is wrong with a statement', async () => {
    const state = await start();
    const db = state.db.$extendTables<Tables>();
    await db.insertInto('fruit').values(rowOf('a')).execute();
    expect(await failureOf(db.insertInto('fruit').values(rowOf('a')).execute())).toBe(
      'conflict unique-violation',
    );
    const orphan = { ...rowOf('b'), basket: 'nowhere' };
    expect(await failureOf(db.insertInto('fruit').values(orphan).execute())).toBe(
      'conflict foreign-key-violation',
    );
  });

  it('answers busy when too much waits', async () => {
    const state = await start([fruits], { waitingMax: 10 });
    const db = state.db.$extendTables<Tables>();
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        failureOf(
          db
            .insertInto('fruit')
            .values(rowOf(`f${at}`))
            .execute(),
        ),
      ),
    );
    expect(outcomes).toContain('busy too-many-waiting');
    expect(outcomes).toContain('no failure');
  });

  it('refuses a state of a newer version and leaves it as it was', async () => {
    const state = await start([fruits, { room: 'later', steps: [emptyStep(1), emptyStep(2)] }]);
    await state.close();
    expect(await failureOf(start([fruits, { room: 'later', steps: [emptyStep(1)] }]))).toBe(
      'invalid state-newer',
    );
    expect(await failureOf(start([fruits]))).toBe('invalid state-newer');
  });

  it('undoes a migration that fails half way', async () => {
    const broken: RoomMigrations = {
      room: 'fruit',
      steps: [
        ...fruits.steps,
        {
          number: 2,
          name: 'broken',
          apply: async (transaction) => {
            await transaction.schema.createTable('half').addColumn('id', 'text').execute();
            throw new Error('power is gone');
          },
        },
      ],
    };
    await expect(start([broken])).rejects.toThrow('power is gone');
    const state = await start([fruits]);
    const names = await state.db.introspection.getTables();
    expect(names.map((table) => table.name).sort()).toEqual(['fruit', 'state_migration']);
  });

  it('tells of a commit once it has happened, and of nothing else', async () => {
    const state = await start();
    const told: string[] = [];
    const work = (outcome: string) =>
      state.transaction(async (transaction) => {
        const mine = roomOf<Tables>(transaction);
        await mine.insertInto('fruit').values(rowOf(outcome)).execute();
        state.afterCommit(mine, () => told.push(outcome));
        expect(told).not.toContain(outcome);
        if (outcome === 'bad') throw new Error('changed my mind');
      });
    await expect(work('bad')).rejects.toThrow('changed my mind');
    await work('good');
    expect(told).toEqual(['good']);
  });

  it('is brought up to date once by any number of controllers that start at the same moment', async () => {
    const slow: RoomMigrations = {
      room: 'slow',
      steps: [1, 2, 3].map((number) => ({
        number,
        name: `slow ${number}`,
        apply: async (transaction) => {
          await transaction.schema.createTable(`slow_${number}`).addColumn('id', 'text').execute();
        },
      })),
    };
    const states = await Promise.all([1, 2, 3].map(() => start([fruits, slow])));
    const names = await states[0]?.db.introspection.getTables();
    expect(names?.map((table) => table.name).sort()).toEqual([
      'fruit',
      'slow_1',
      'slow_2',
      'slow_3',
      'state_migration',
    ]);
  });

  it('lets two controllers change the same row at once, with a lock and without', async () => {
    const [one, two] = [await start(), await start()];
    const db = one.db.$extendTables<Tables>();
    await db.insertInto('fruit').values(rowOf('a', 0)).execute();
    const addOne = (state: State, options: { lock?: string }) =>
      state.transaction(async (transaction) => {
        const tables = roomOf<Tables>(transaction);
        const row = await tables.selectFrom('fruit').select('amount').executeTakeFirstOrThrow();
        await tables
          .updateTable('fruit')
          .set({ amount: row.amount + 1 })
          .execute();
      }, options);
    for (const options of [{}, { lock: 'fruit' }])
      await Promise.all(
        Array.from({ length: 40 }, (_, at) => addOne(at % 2 === 0 ? one : two, options)),
      );
    expect((await db.selectFrom('fruit').select('amount').executeTakeFirst())?.amount).toBe(80);
  });

  it('stores booleans and large integers alike', async () => {
    const state = await start();
    await sql`create table odd (flag integer, large bigint)`.execute(state.db);
    const large = Number.MAX_SAFE_INTEGER;
    await sql`insert into odd values (${true}, ${large})`.execute(state.db);
    const found =
      await sql`select flag, large, (select count(*) from odd) as n, (select sum(large) from odd) as total from odd`.execute(
        state.db,
      );
    expect(found.rows).toEqual([{ flag: 1, large, n: 1, total: large }]);
  });

  it('fails what comes after close', async () => {
    const state = await start();
    await state.close();
    const db = state.db.$extendTables<Tables>();
    const failure = await failureOf(db.selectFrom('fruit').selectAll().execute());
    expect(failure).not.toBe('no failure');
  });
});

function emptyStep(number: number) {
  return { number, name: `empty ${number}`, apply: async () => {} };
}
