import { spawn } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultsOf, isFailure, silentLogger, systemClock, systemDisk } from '#common';
import { openState, type RoomMigrations, type State, stateSettings } from './index.ts';

type Tables = {
  fruit: { id: string; name: string; amount: number; basket: string | null };
};

const fruits: RoomMigrations = {
  room: 'fruit',
  steps: [
    {
      number: 1,
      name: 'fruit',
      apply: async (transaction) => {
        await transaction.schema
          .createTable('fruit')
          .addColumn('id', 'text', (column) => column.primaryKey())
          .addColumn('name', 'text', (column) => column.notNull().unique())
          .addColumn('amount', 'integer', (column) => column.notNull())
          .addColumn('basket', 'text', (column) => column.references('fruit.id'))
          .execute();
      },
    },
  ],
};

let folder: string;
let open: State[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pileus-state-'));
  open = [];
});
afterEach(async () => {
  for (const state of open) await state.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(migrations = [fruits], overrides = {}): Promise<State> {
  const state = await openState({
    path: join(folder, 'deep', 'state.sqlite'),
    settings: { ...defaultsOf(stateSettings), ...overrides },
    migrations,
    disk: systemDisk,
    clock: systemClock,
    log: silentLogger,
  });
  open.push(state);
  return state;
}

const rowOf = (id: string, amount = 1) => ({ id, name: `name of ${id}`, amount, basket: null });
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => (isFailure(error) ? `${error.kind} ${error.code}` : String(error)),
  );

describe('state', () => {
  it('keeps rows across a restart, in a file of this user alone', async () => {
    const first = await start();
    await first.db.$extendTables<Tables>().insertInto('fruit').values(rowOf('apple', 7)).execute();
    await first.close();
    const again = await start();
    const rows = await again.db.$extendTables<Tables>().selectFrom('fruit').selectAll().execute();
    expect(rows).toEqual([rowOf('apple', 7)]);
    const { mode } = await stat(join(folder, 'deep', 'state.sqlite'));
    expect(mode & 0o777).toBe(0o600);
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

  it('refuses a file that is not a database, and an engine that is not built', async () => {
    await systemDisk.makeDirectory(join(folder, 'deep'));
    const file = await systemDisk.open(join(folder, 'deep', 'state.sqlite'), 'create');
    await file.write([Buffer.alloc(8192, 'x')], 0);
    await file.close();
    expect(await failureOf(start())).toBe('corrupt state-corrupt');
    expect(await failureOf(start([fruits], { url: 'postgresql://db/pileus' }))).toBe(
      'invalid state-engine-missing',
    );
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
    const path = join(folder, 'killed.sqlite');
    const script = `
      import { openState, stateSettings } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      import { defaultsOf, silentLogger, systemClock, systemDisk } from ${JSON.stringify(new URL('../../common/index.ts', import.meta.url).href)};
      import { sql } from 'kysely';
      const state = await openState({ path: ${JSON.stringify(path)}, settings: defaultsOf(stateSettings), migrations: [], disk: systemDisk, clock: systemClock, log: silentLogger });
      await sql\`create table if not exists done (n integer primary key)\`.execute(state.db);
      for (let n = 1; ; n++) {
        await sql\`insert into done values (\${n})\`.execute(state.db);
        process.stdout.write(n + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
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
    const state = await openState({
      path,
      settings: defaultsOf(stateSettings),
      migrations: [],
      disk: systemDisk,
      clock: systemClock,
      log: silentLogger,
    });
    open.push(state);
    const { rows } = await sql<{ n: number }>`select n from done order by n`.execute(state.db);
    expect(acknowledged).toBeGreaterThanOrEqual(50);
    expect(rows.length).toBeGreaterThanOrEqual(acknowledged);
    expect(rows.map((row) => row.n)).toEqual(rows.map((_, at) => at + 1));
  });

  it('fails what comes after close', async () => {
    const state = await start();
    await state.close();
    open = [];
    const db = state.db.$extendTables<Tables>();
    const failure = await failureOf(db.selectFrom('fruit').selectAll().execute());
    expect(failure).not.toBe('no failure');
  });
});

function emptyStep(number: number) {
  return { number, name: `empty ${number}`, apply: async () => {} };
}
