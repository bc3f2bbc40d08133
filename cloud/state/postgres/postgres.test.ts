import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFailure } from '#common';
import { engines, postgresServer, TestDatabase } from '../testing/engines.ts';
import { fruits, rowOf, type Tables } from '../testing/fruits.ts';

let database: TestDatabase;
beforeEach(() => {
  database = new TestDatabase('postgres');
});
afterEach(() => database.remove());

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => (isFailure(error) ? `${error.kind} ${error.code}` : String(error)),
  );

describe('state on PostgreSQL', () => {
  it('is among the engines that stores are tested on', () => {
    expect(engines).toContain('postgres');
  });

  it('says that the database is away, and goes on when it is back', async () => {
    const state = await database.open([fruits]);
    const db = state.db.$extendTables<Tables>();
    await db.insertInto('fruit').values(rowOf('a')).execute();
    const server = postgresServer();
    server.down();
    const read = () => db.selectFrom('fruit').select('id').execute();
    expect(await failureOf(read())).toBe('unreachable state-away');
    expect(await failureOf(database.open([fruits]))).toBe('unreachable state-away');
    server.up();
    await expect.poll(() => failureOf(read()), { timeout: 5_000 }).toBe('no failure');
    expect(await read()).toEqual([{ id: 'a' }]);
  });

  it('begins transactions anew that met, and ends those that take too long', async () => {
    const state = await database.open([fruits], { settings: { transactionTimeoutMs: 300 } });
    const db = state.db.$extendTables<Tables>();
    await db.insertInto('fruit').values(rowOf('a', 0)).execute();
    let attempts = 0;
    const told: number[] = [];
    await state.transaction(async (transaction) => {
      attempts++;
      const mine = transaction.$extendTables<Tables>();
      await mine.selectFrom('fruit').selectAll().execute();
      // Somebody else is faster, the first time.
      if (attempts === 1) await db.updateTable('fruit').set({ amount: 5 }).execute();
      await mine
        .updateTable('fruit')
        .set((set) => ({ amount: set('amount', '+', 1) }))
        .execute();
      state.afterCommit(transaction, () => told.push(attempts));
    });
    expect([attempts, told]).toEqual([2, [2]]);
    expect((await db.selectFrom('fruit').selectAll().executeTakeFirst())?.amount).toBe(6);
    const idle = state.transaction(async (transaction) => {
      await transaction.$extendTables<Tables>().insertInto('fruit').values(rowOf('b')).execute();
      await sql`select pg_sleep(2)`.execute(transaction);
    });
    expect(await failureOf(idle)).toBe('busy transaction-expired');
  });

  it('refuses text that it cannot keep, and a database that is not there', async () => {
    const state = await database.open([fruits]);
    const db = state.db.$extendTables<Tables>();
    const bad = { ...rowOf('a'), name: 'nul \0' };
    expect(await failureOf(db.insertInto('fruit').values(bad).execute())).toBe('invalid bad-text');
    const url = database.settings.url.replace(/\/test\d+\?/, '/nowhere?');
    expect(await failureOf(database.open([fruits], { settings: { url } }))).toBe(
      'missing state-missing',
    );
  });
});
