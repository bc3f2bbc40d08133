/** The words between the main thread and the thread that owns the SQLite file. */

/** What SQLite stores; booleans travel as 0 and 1. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** `read` sees the last commit and cannot write; `write` is the one connection that can. */
export type ConnectionName = 'read' | 'write';

export interface StatementRequest {
  readonly id: number;
  readonly connection: ConnectionName;
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

export interface CloseRequest {
  readonly id: number;
  readonly close: true;
}

export type WorkerRequest = StatementRequest | CloseRequest;

export interface StatementResult {
  readonly rows: readonly Record<string, SqlValue>[];
  readonly changes: number | undefined;
}

export interface StatementError {
  readonly message: string;
  /** SQLite's extended result code; 0 when the error is not SQLite's. */
  readonly sqliteCode: number;
}

export type WorkerReply =
  | { readonly id: number; readonly result: StatementResult }
  | { readonly id: number; readonly error: StatementError };

export interface WorkerStart {
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly statementsMax: number;
}
