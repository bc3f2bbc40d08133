import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFailure, systemDisk } from '#common';
import { TestDatabase } from '../testing/engines.ts';
import { fruits, rowOf, type Tables } from '../testing/fruits.ts';

let database: TestDatabase;
beforeEach(() => {
  database = new TestDatabase('sqlite');
});
afterEach(() => database.remove());

const start = (migrations = [fruits], settings = {}) => database.open(migrations, { settings });
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => (isFailure(error) ? `${error.kind} ${error.code}` : String(error)),
  );

describe('state on SQLite', () => {
  it('is a file of this user alone', async () => {
    await start();
    const { mode } = await stat(database.path);
    expect(mode & 0o777).toBe(0o600);
  });

  it('rolls a transaction back that outlives its deadline', async () => {
    const state = await start([fruits], { transactionTimeoutMs: 100 });
    const db = state.db.$extendTables<Tables>();
    const stuck = state.transaction(async (transaction) => {
      await transaction.$extendTables<Tables>().insertInto('fruit').values(rowOf('a')).execute();
      // The mistake the deadline is for: waiting for a statement outside that waits for this transaction.
      await db.insertInto('fruit').values(rowOf('b')).execute();
    });
    expect(await failureOf(stuck)).toBe('busy transaction-expired');
    expect(await db.selectFrom('fruit').select('id').execute()).toEqual([{ id: 'b' }]);
  });

  it('refuses a file that is not a database', async () => {
    await systemDisk.makeDirectory(dirname(database.path));
    const file = await systemDisk.open(database.path, 'create');
    await file.write([Buffer.alloc(8192, 'x')], 0);
    await file.close();
    expect(await failureOf(start())).toBe('corrupt state-corrupt');
  });

  it('says that the disk is full, takes back what did not fit, and goes on', async () => {
    const state = await start();
    const db = state.db.$extendTables<Tables>();
    await db.insertInto('fruit').values(rowOf('kept')).execute();
    const pages = await sql<{ page_count: number }>`pragma page_count`.execute(state.db);
    const limit = (pages.rows[0]?.page_count ?? 0) + 2;
    await sql`pragma max_page_count = ${sql.raw(String(limit))}`.execute(state.db);
    const big = { ...rowOf('big'), name: 'x'.repeat(100_000) };
    const tooMuch = state.transaction(async (transaction) => {
      const tables = transaction.$extendTables<Tables>();
      await tables.insertInto('fruit').values(rowOf('half')).execute();
      await tables.insertInto('fruit').values(big).execute();
    });
    expect(await failureOf(tooMuch)).toBe('busy disk-full');
    expect(await db.selectFrom('fruit').select('id').execute()).toEqual([{ id: 'kept' }]);
    await db.insertInto('fruit').values(rowOf('small')).execute();
    expect(await db.selectFrom('fruit').select('id').execute()).toHaveLength(2);
  });

  it('keeps every commit that it acknowledged when the process is killed', async () => {
    const { path } = database;
    const script = `
      import { openState, stateSettings } from ${JSON.stringify(new URL('../index.ts', import.meta.url).href)};
      import { defaultsOf, silentLogger, systemClock, systemDisk } from ${JSON.stringify(new URL('../../../common/index.ts', import.meta.url).href)};
      import { sql } from 'kysely';
      const state = await openState({ path: ${JSON.stringify(path)}, settings: defaultsOf(stateSettings), migrations: [], disk: systemDisk, clock: systemClock, log: silentLogger });
      await sql\`create table if not exists done (n integer primary key)\`.execute(state.db);
      for (let n = 1; ; n++) {
        await sql\`insert into done values (\${n})\`.execute(state.db);
        process.stdout.write(n + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (bytes) => {
        printed += bytes;
        if (printed.split('\n').length > 50) child.kill('SIGKILL');
      });
      child.on('close', () => resolve());
    });
    const acknowledged = Number(printed.split('\n').slice(0, -1).at(-1));
    const state = await start([]);
    const { rows } = await sql<{ n: number }>`select n from done order by n`.execute(state.db);
    expect(acknowledged).toBeGreaterThanOrEqual(50);
    expect(rows.length).toBeGreaterThanOrEqual(acknowledged);
    expect(rows.map((row) => row.n)).toEqual(rows.map((_, at) => at + 1));
  });
});
