/**
 * State on any engine that speaks PostgreSQL's protocol.
 *
 * Transactions are serializable, as SQLite's are by having one writer; those that meet are begun anew. Ones that are known to
 * meet name a lock: they queue in this process, and hold an advisory lock of their session towards other processes. (A lock
 * taken inside the transaction would come too late: waiting for it already fixes what the transaction sees.)
 */
import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import { type Clock, Failure, Gate, isFailure, type Logger, type Random } from '#common';
import type { Engine } from '../engine.ts';
import type { StateSettings } from '../settings.ts';
import { contendedCode, postgresFailure } from './failures.ts';
import { openPool } from './pool.ts';

export interface PostgresOptions {
  readonly settings: StateSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export function postgresEngine(options: PostgresOptions): Engine {
  return new PostgresEngine(options);
}

class PostgresEngine implements Engine {
  readonly db: Kysely<unknown>;
  private readonly options: PostgresOptions;
  private readonly queues = new Map<string, Gate>();

  constructor(options: PostgresOptions) {
    this.options = options;
    const { url, connectionsMax, waitingMax, transactionTimeoutMs } = options.settings;
    const pool = openPool({
      url,
      connectionsMax,
      waitingMax,
      timeoutMs: transactionTimeoutMs,
      log: options.log,
    });
    this.db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  }

  async transaction<T>(
    work: (transaction: Transaction<unknown>) => Promise<T>,
    lock: string | undefined,
  ): Promise<T> {
    if (lock === undefined) return this.persist(() => this.once(this.db, work));
    return this.locked(lock, (db) => this.persist(() => this.once(db, work)));
  }

  async locked<T>(name: string, work: (db: Kysely<unknown>) => Promise<T>): Promise<T> {
    return this.queued(name, () =>
      this.db.connection().execute(async (db) => {
        await sql`select pg_advisory_lock(hashtextextended(${name}, 0))`.execute(db);
        try {
          return await work(db);
        } finally {
          // When the connection is lost, so is the lock; there is nothing to give back then.
          await sql`select pg_advisory_unlock(hashtextextended(${name}, 0))`
            .execute(db)
            .catch((error: unknown) => {
              if (!isFailure(error, 'unreachable')) throw error;
            });
        }
      }),
    );
  }

  async close(): Promise<void> {
    await this.db.destroy();
  }

  private once<T>(
    db: Kysely<unknown>,
    work: (transaction: Transaction<unknown>) => Promise<T>,
  ): Promise<T> {
    return db.transaction().setIsolationLevel('serializable').execute(work);
  }

  /** Begins anew what another transaction was in the way of, with growing and uneven waits. */
  private async persist<T>(attempt: () => Promise<T>): Promise<T> {
    const { clock, random, settings } = this.options;
    for (let tries = 0; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        const failure = error instanceof Failure ? error : translated(error);
        if (failure.code !== contendedCode || tries >= settings.transactionRetriesMax)
          throw failure;
        await clock.sleep(random.unit() * 2 ** Math.min(tries, 7));
      }
    }
  }

  /** One at a time by name, so that those who wait hold no connection. */
  private async queued<T>(name: string, work: () => Promise<T>): Promise<T> {
    const { waitingMax } = this.options.settings;
    const gate = this.queues.get(name) ?? new Gate({ name, inFlightMax: 1, waitingMax });
    this.queues.set(name, gate);
    try {
      return await gate.within(work);
    } finally {
      if (gate.inUse === 0 && gate.waiting === 0) this.queues.delete(name);
    }
  }
}

/** What `work` threw is its own; only what the database said is translated. */
function translated(error: unknown): Failure {
  if (error instanceof Error && error.name === 'AbortedTransactionError')
    return new Failure('bug', 'bad-statement', 'A transaction went on after a failed statement', {
      cause: error,
    });
  throw error;
}

/** The database is there and lets us in: said before anything else is tried. */
export async function probe(engine: Engine): Promise<void> {
  try {
    await sql`select 1`.execute(engine.db);
  } catch (error) {
    throw postgresFailure(error);
  }
}
