/**
 * Kysely's driver over the SQLite thread.
 *
 * Invariant: whoever writes holds the write gate. A lone select goes to the reading connection and waits for nobody;
 * any other lone statement takes the gate for itself; a transaction takes it at `begin` and gives it back when it ends.
 */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
  SelectQueryNode,
} from 'kysely';
import { type Clock, Failure, type Gate, type Timer } from '#common';
import type { SqliteClient } from './client.ts';
import type { ConnectionName, SqlValue, StatementResult } from './protocol.ts';

export interface ThreadDriverOptions {
  readonly client: SqliteClient;
  /** One holder at a time: the right to use the writing connection. */
  readonly writeGate: Gate;
  readonly clock: Clock;
  readonly transactionTimeoutMs: number;
}

type TransactionState =
  | { readonly name: 'none' }
  | { readonly name: 'open'; readonly deadline: Timer }
  /** Rolled back by its deadline: every further statement fails until the owner notices and ends it. */
  | { readonly name: 'expired' };

export class SqliteThreadDriver implements Driver {
  private readonly options: ThreadDriverOptions;

  constructor(options: ThreadDriverOptions) {
    this.options = options;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<ThreadConnection> {
    return new ThreadConnection(this.options);
  }

  beginTransaction(connection: DatabaseConnection): Promise<void> {
    return ours(connection).begin();
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return ours(connection).finish('commit');
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return ours(connection).finish('rollback');
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

function ours(connection: DatabaseConnection): ThreadConnection {
  if (connection instanceof ThreadConnection) return connection;
  throw new Failure('bug', 'foreign-connection', 'This connection belongs to another driver');
}

class ThreadConnection implements DatabaseConnection {
  private readonly options: ThreadDriverOptions;
  private transaction: TransactionState = { name: 'none' };

  constructor(options: ThreadDriverOptions) {
    this.options = options;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const parameters = query.parameters.map(sqlValueOf);
    const result = await this.route(query, (connection) =>
      this.options.client.execute(connection, query.sql, parameters),
    );
    const rows = result.rows as R[];
    return result.changes === undefined
      ? { rows }
      : { rows, numAffectedRows: BigInt(result.changes) };
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Failure('bug', 'no-streaming', 'Read pages instead of streaming a whole table');
  }

  async begin(): Promise<void> {
    await this.options.writeGate.enter();
    try {
      await this.options.client.execute('write', 'begin immediate', []);
    } catch (error) {
      this.options.writeGate.leave();
      throw error;
    }
    const deadline = this.options.clock.after(this.options.transactionTimeoutMs, () => {
      void this.expire();
    });
    this.transaction = { name: 'open', deadline };
  }

  async finish(how: 'commit' | 'rollback'): Promise<void> {
    const { transaction } = this;
    this.transaction = { name: 'none' };
    // What the deadline rolled back is rolled back; only a commit has to be told.
    if (transaction.name === 'expired' && how === 'commit') throw expiredFailure();
    if (transaction.name !== 'open') return;
    transaction.deadline.cancel();
    try {
      await this.options.client.execute('write', how, []);
    } catch (error) {
      // A commit that failed (disk full) leaves the transaction open; the next owner must not inherit it.
      if (how === 'commit') await this.options.client.execute('write', 'rollback', []);
      throw error;
    } finally {
      this.options.writeGate.leave();
    }
  }

  private route(
    query: CompiledQuery,
    run: (connection: ConnectionName) => Promise<StatementResult>,
  ): Promise<StatementResult> {
    if (this.transaction.name === 'expired') return Promise.reject(expiredFailure());
    if (this.transaction.name === 'open') return run('write');
    if (SelectQueryNode.is(query.query)) return run('read');
    return this.options.writeGate.within(() => run('write'));
  }

  private async expire(): Promise<void> {
    if (this.transaction.name !== 'open') return;
    this.transaction = { name: 'expired' };
    try {
      await this.options.client.execute('write', 'rollback', []);
    } catch (error) {
      // Closed meanwhile: SQLite rolls back by itself. Anything else would be a bug worth an unhandled rejection.
      if (!(error instanceof Failure) || error.kind !== 'closed') throw error;
    } finally {
      this.options.writeGate.leave();
    }
  }
}

function expiredFailure(): Failure {
  return new Failure('busy', 'transaction-expired', 'The transaction took too long');
}

function sqlValueOf(value: unknown): SqlValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string' || typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (value instanceof Uint8Array) return value;
  throw new Failure('bug', 'bad-parameter', 'This value cannot be stored', {
    facts: { type: typeof value },
  });
}
