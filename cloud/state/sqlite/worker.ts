/**
 * The thread that owns the SQLite file: a commit waits for the disk here and nowhere else.
 * Two connections to one file in WAL mode: a reader sees the last commit while a transaction is open on the writer.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type {
  ConnectionName,
  SqlValue,
  StatementError,
  StatementRequest,
  StatementResult,
  WorkerReply,
  WorkerRequest,
  WorkerStart,
} from './protocol.ts';

class Connection {
  private readonly database: DatabaseSync;
  private readonly statementsMax: number;
  /** Prepared statements, least recently used first. */
  private readonly prepared = new Map<string, StatementSync>();

  constructor(start: WorkerStart, name: ConnectionName) {
    this.statementsMax = start.statementsMax;
    this.database = new DatabaseSync(start.path, { timeout: start.busyTimeoutMs });
    this.database.exec('PRAGMA journal_mode = WAL');
    this.database.exec('PRAGMA synchronous = FULL');
    this.database.exec('PRAGMA foreign_keys = ON');
    this.database.exec('PRAGMA trusted_schema = OFF');
    if (name === 'read') this.database.exec('PRAGMA query_only = ON');
  }

  run(request: StatementRequest): StatementResult {
    // SQLite itself rolls back when the disk is full or fails; then there is nothing left to take back.
    if (request.sql === 'rollback' && !this.database.isTransaction)
      return { rows: [], changes: undefined };
    const statement = this.prepare(request.sql);
    // A statement that names result columns (select, returning, pragma) has rows; the others count changes.
    if (statement.columns().length > 0) {
      const rows = statement.all(...request.parameters) as Record<string, SqlValue>[];
      return { rows, changes: undefined };
    }
    const outcome = statement.run(...request.parameters);
    return { rows: [], changes: Number(outcome.changes) };
  }

  close(): void {
    this.prepared.clear();
    this.database.close();
  }

  private prepare(sql: string): StatementSync {
    const known = this.prepared.get(sql);
    if (known !== undefined) {
      this.prepared.delete(sql);
      this.prepared.set(sql, known);
      return known;
    }
    const statement = this.database.prepare(sql);
    const oldest = this.prepared.keys().next();
    if (this.prepared.size >= this.statementsMax && oldest.done !== true)
      this.prepared.delete(oldest.value);
    this.prepared.set(sql, statement);
    return statement;
  }
}

function describe(error: unknown): StatementError {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'errcode' in error ? error.errcode : 0;
  return { message, sqliteCode: typeof code === 'number' ? code : 0 };
}

function serve(start: WorkerStart): void {
  const port = parentPort;
  if (port === null) throw new Error('The SQLite thread must be started as a worker');
  // The writer first: it creates the file and switches it to WAL.
  const write = new Connection(start, 'write');
  const read = new Connection(start, 'read');
  port.on('message', (request: WorkerRequest) => {
    let reply: WorkerReply;
    try {
      if ('close' in request) {
        read.close();
        write.close();
        reply = { id: request.id, result: { rows: [], changes: undefined } };
      } else {
        const connection = request.connection === 'read' ? read : write;
        reply = { id: request.id, result: connection.run(request) };
      }
    } catch (error) {
      reply = { id: request.id, error: describe(error) };
    }
    port.postMessage(reply);
    if ('close' in request) port.close();
  });
  port.postMessage({ id: 0, result: { rows: [], changes: undefined } } satisfies WorkerReply);
}

serve(workerData as WorkerStart);
