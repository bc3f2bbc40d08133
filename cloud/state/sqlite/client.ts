/** The main thread's end of the SQLite thread: statements out, rows or failures back. */
import { Worker } from 'node:worker_threads';
import { Failure } from '#common';
import { sqliteFailure } from './failures.ts';
import type {
  ConnectionName,
  SqlValue,
  StatementResult,
  WorkerReply,
  WorkerRequest,
  WorkerStart,
} from './protocol.ts';

interface Pending {
  readonly resolve: (result: StatementResult) => void;
  readonly reject: (error: unknown) => void;
}

export class SqliteClient {
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private readonly waitingMax: number;
  private nextId = 1;
  private ended: Failure | undefined;
  private closing = false;

  private constructor(worker: Worker, waitingMax: number) {
    this.worker = worker;
    this.waitingMax = waitingMax;
    worker.on('message', (reply: WorkerReply) => this.settle(reply));
    worker.on('error', (error) => this.end(startFailure(error)));
    worker.on('exit', () => this.end(new Failure('closed', 'state-closed', 'The state is closed')));
  }

  /** Resolves when the file is open. */
  static async start(start: WorkerStart, waitingMax: number): Promise<SqliteClient> {
    // Flags of the process (a profiler, `--eval`) are not for this thread.
    const options = { workerData: start, execArgv: [] };
    const worker = new Worker(new URL('./worker.ts', import.meta.url), options);
    const client = new SqliteClient(worker, waitingMax);
    await new Promise<StatementResult>((resolve, reject) =>
      client.pending.set(0, { resolve, reject }),
    );
    // An idle database must not keep the process alive; a statement in flight does.
    worker.unref();
    return client;
  }

  execute(
    connection: ConnectionName,
    sql: string,
    parameters: readonly SqlValue[],
  ): Promise<StatementResult> {
    if (this.pending.size >= this.waitingMax) {
      const facts = { waiting: this.pending.size };
      return Promise.reject(
        new Failure('busy', 'too-many-waiting', 'Too much waits for the state', { facts }),
      );
    }
    return this.send((id) => ({ id, connection, sql, parameters }));
  }

  async close(): Promise<void> {
    if (this.ended !== undefined) return;
    // Whoever closes waits for the thread to end, so it must keep the process alive until then.
    this.closing = true;
    this.worker.ref();
    const exited = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    await this.send((id) => ({ id, close: true }));
    await exited;
  }

  private send(make: (id: number) => WorkerRequest): Promise<StatementResult> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      if (this.pending.size === 0) this.worker.ref();
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage(make(id));
    });
  }

  private settle(reply: WorkerReply): void {
    const waiting = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if (this.pending.size === 0 && !this.closing) this.worker.unref();
    if ('error' in reply) waiting?.reject(sqliteFailure(reply.error));
    else waiting?.resolve(reply.result);
  }

  private end(failure: Failure): void {
    this.ended ??= failure;
    const waiting = [...this.pending.values()];
    this.pending.clear();
    for (const entry of waiting) entry.reject(this.ended);
  }
}

function startFailure(error: unknown): Failure {
  const code =
    error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
      ? error.errcode
      : 0;
  const message = error instanceof Error ? error.message : String(error);
  return sqliteFailure({ message, sqliteCode: code });
}
