/** The control plane's state: SQL through Kysely, on SQLite in the data folder. */
import { dirname } from 'node:path';
import { Kysely, Transaction } from 'kysely';
import { type Clock, type Disk, Failure, Gate, type Logger } from '#common';
import { CommitListeners } from './commit-listeners.ts';
import { migrate, type RoomMigrations } from './migrations.ts';
import type { StateSettings } from './settings.ts';
import { SqliteClient } from './sqlite/client.ts';
import { sqliteThreadDialect } from './sqlite/dialect.ts';

export interface StateOptions {
  /** The SQLite file; its folder is made when it is not there. */
  readonly path: string;
  readonly settings: StateSettings;
  readonly migrations: readonly RoomMigrations[];
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface TransactionOptions {
  /**
   * Transactions of one lock name run one after another, in every process: for rows that everybody changes at once, where
   * trying again would cost more than waiting.
   */
  readonly lock?: string;
}

/** A transaction whatever tables it knows: `$extendTables` makes another object over the same executor. */
export interface AnyTransaction {
  getExecutor(): object;
}

/** A room's own tables in a transaction that somebody else began. */
export function roomOf<Tables extends Record<string, Record<string, unknown>>>(
  transaction: AnyTransaction,
): Transaction<Tables> {
  if (transaction instanceof Transaction) return transaction.$extendTables<Tables>();
  throw new Failure('bug', 'foreign-transaction', 'Transactions are begun by the state');
}

export interface State {
  /** Untyped on purpose: a room sees its own tables by `state.db.$extendTables<ItsTables>()`. */
  readonly db: Kysely<unknown>;
  /**
   * Runs `work` so that all of it happens or none. Inside it, statements must go through the transaction they are handed:
   * one on `state.db` would wait for this very transaction until its deadline.
   */
  transaction<T>(
    work: (transaction: Transaction<unknown>) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;
  /** Calls `run` when this transaction has committed; never when it is rolled back. */
  afterCommit(transaction: AnyTransaction, run: () => void): void;
  close(): Promise<void>;
}

// Enough for every statement the program has; what is beyond is prepared again.
const statementsMax = 500;

export async function openState(options: StateOptions): Promise<State> {
  const { settings } = options;
  if (settings.url !== '') {
    throw new Failure(
      'invalid',
      'state-engine-missing',
      'State on another engine than SQLite is not built yet: leave state.url empty',
    );
  }
  await ensureFile(options.disk, options.path);
  const client = await SqliteClient.start(
    { path: options.path, busyTimeoutMs: settings.busyTimeoutMs, statementsMax },
    settings.waitingMax,
  );
  const db = new Kysely<unknown>({
    dialect: sqliteThreadDialect({
      client,
      clock: options.clock,
      transactionTimeoutMs: settings.transactionTimeoutMs,
      writeGate: new Gate({ name: 'state', inFlightMax: 1, waitingMax: settings.waitingMax }),
    }),
  });
  const close = async () => {
    await db.destroy();
    await client.close();
  };
  try {
    await migrate(db, options.migrations, options.clock);
  } catch (error) {
    await close();
    throw error;
  }
  options.log.debug({ path: options.path }, 'state open');
  const commits = new CommitListeners();
  return {
    db,
    // SQLite has one writer at a time, so every lock is held by whoever has begun.
    transaction: (work) => commits.around((listen) => db.transaction().execute(listen(work))),
    afterCommit: (transaction, run) => commits.add(transaction, run),
    close,
  };
}

/** Makes the file before SQLite does, so that it and its journal belong to this user alone from the start. */
async function ensureFile(disk: Disk, path: string): Promise<void> {
  await disk.makeDirectory(dirname(path));
  if (await disk.exists(path)) return;
  const file = await disk.open(path, 'create');
  await file.sync();
  await file.close();
  await disk.syncDirectory(dirname(path));
}
