/** The control plane's state: SQL through Kysely, on SQLite in the data folder or on PostgreSQL. */
import { type Kysely, PostgresAdapter, Transaction } from 'kysely';
import { type Clock, type Disk, Failure, type Logger, type Random, systemRandom } from '#common';
import { CommitListeners } from './commit-listeners.ts';
import type { Engine } from './engine.ts';
import { migrate, type RoomMigrations } from './migrations.ts';
import type { StateSettings } from './settings.ts';
import { sqliteEngine } from './sqlite/engine.ts';

export interface StateOptions {
  /** The SQLite file; its folder is made when it is not there. */
  readonly path: string;
  readonly settings: StateSettings;
  readonly migrations: readonly RoomMigrations[];
  readonly disk: Disk;
  readonly clock: Clock;
  /** For uneven waits. */
  readonly random?: Random;
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

/** Whether this is PostgreSQL, for the few statements that cannot be the same everywhere. */
export function isPostgres(db: Kysely<unknown>): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter;
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

export async function openState(options: StateOptions): Promise<State> {
  const engine = await openEngine(options);
  try {
    await engine.locked('pileus migrations', (db) =>
      migrate(db, options.migrations, options.clock),
    );
  } catch (error) {
    await engine.close();
    throw error;
  }
  options.log.debug('state open');
  const commits = new CommitListeners();
  return {
    db: engine.db,
    transaction: (work, { lock } = {}) =>
      commits.around((listen) => engine.transaction(listen(work), lock)),
    afterCommit: (transaction, run) => commits.add(transaction, run),
    close: () => engine.close(),
  };
}

async function openEngine(options: StateOptions): Promise<Engine> {
  const { settings, clock, log, path, disk } = options;
  if (settings.url === '') return sqliteEngine({ path, settings, disk, clock });
  // Only those who use it load its client.
  const { postgresEngine, probe } = await import('./postgres/engine.ts');
  const engine = postgresEngine({ settings, clock, random: options.random ?? systemRandom, log });
  try {
    await probe(engine);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}
