/**
 * A client of one OVSDB database (RFC 7047): a replica of some tables that follows the server, and transactions.
 *
 *  1. Connect, ask for the tables' contents; from then on the server sends what changes.
 *  2. When the connection ends, the replica is kept as it was, and everything begins again after a short wait.
 */
import type { Socket } from 'node:net';
import { type Clock, Failure, type Logger, messageOf, type Net } from '#common';
import { JsonStream } from './json-stream.ts';
import { Schema } from './schema.ts';
import type { Row } from './values.ts';

export interface OvsdbOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Logger;
  /** The server's unix socket. */
  readonly path: string;
  readonly database: string;
  /** Table → columns to follow. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
  /** Something in the replica is other than before, or the connection came or went. */
  changed(): void;
}

const callTimeoutMs = 15_000;
const retryMs = 500;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class OvsdbClient {
  private readonly options: OvsdbOptions;
  private readonly tables = new Map<string, Map<string, Row>>();
  private readonly waiting = new Map<number, Waiting>();
  private socket: Socket | undefined;
  private nextId = 1;
  private held: Schema | undefined;
  private isSynced = false;
  private isClosed = false;

  constructor(options: OvsdbOptions) {
    this.options = options;
    for (const table of Object.keys(options.tables)) this.tables.set(table, new Map());
    this.connect();
  }

  /** The replica is what the server has, as far as one can know. */
  get synced(): boolean {
    return this.isSynced;
  }

  /** Of the server that was connected last; another one after each connection. */
  get schema(): Schema | undefined {
    return this.held;
  }

  rows(table: string): ReadonlyMap<string, Row> {
    return this.tables.get(table) ?? new Map();
  }

  /** Fails `conflict` when one of the operations is refused; then none of them happened. The replica has what was done when this returns. */
  async transact(operations: readonly object[]): Promise<readonly unknown[]> {
    const results = await this.call('transact', [this.options.database, ...operations]);
    const failed = (results as ({ error?: string; details?: string } | null)[]).find(
      (one) => one?.error !== undefined,
    );
    if (failed !== undefined)
      throw new Failure('conflict', 'ovsdb-refused', 'The database refused a change', {
        facts: {
          database: this.options.database,
          error: failed?.error ?? '',
          details: failed?.details ?? '',
        },
      });
    return results as unknown[];
  }

  close(): void {
    this.isClosed = true;
    this.socket?.destroy();
  }

  private connect(): void {
    if (this.isClosed) return;
    const socket = this.options.net.connect({ path: this.options.path });
    const stream = new JsonStream();
    this.socket = socket;
    socket.on('connect', () => {
      this.follow().catch((error: unknown) =>
        socket.destroy(error instanceof Error ? error : undefined),
      );
    });
    socket.on('data', (chunk) => {
      try {
        for (const message of stream.push(chunk)) this.take(message);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
    });
    socket.on('error', (error) => {
      if (this.isSynced)
        this.options.log.warn({ database: this.options.database }, `OVSDB: ${messageOf(error)}`);
    });
    socket.on('close', () => this.lost());
  }

  private lost(): void {
    const wasSynced = this.isSynced;
    this.isSynced = false;
    for (const { reject } of this.waiting.values())
      reject(new Failure('unreachable', 'ovsdb-gone', 'The connection to the database ended'));
    this.waiting.clear();
    if (wasSynced) this.options.changed();
    if (!this.isClosed) this.options.clock.after(retryMs, () => this.connect());
  }

  private async follow(): Promise<void> {
    const wanted = Object.fromEntries(
      Object.entries(this.options.tables).map(([table, columns]) => [table, { columns }]),
    );
    this.held = new Schema(await this.call('get_schema', [this.options.database]));
    const initial = await this.call('monitor', [this.options.database, 'all', wanted]);
    for (const rows of this.tables.values()) rows.clear();
    this.apply(initial);
    this.isSynced = true;
    this.options.changed();
  }

  private take(message: unknown): void {
    const { id, method, params, result, error } = message as {
      id: unknown;
      method?: string;
      params?: unknown[];
      result?: unknown;
      error?: unknown;
    };
    if (method === 'echo') this.send({ id, result: params, error: null });
    else if (method === 'update') {
      this.apply(params?.[1]);
      if (this.isSynced) this.options.changed();
    } else if (typeof id === 'number') {
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (error !== null && error !== undefined)
        waiting?.reject(
          new Failure('conflict', 'ovsdb-refused', 'The database refused a request', {
            facts: { error: JSON.stringify(error).slice(0, 500) },
          }),
        );
      else waiting?.resolve(result);
    }
  }

  private apply(updates: unknown): void {
    for (const [table, rows] of Object.entries(
      updates as Record<string, Record<string, { new?: Row }>>,
    )) {
      const held = this.tables.get(table);
      for (const [uuid, row] of Object.entries(rows)) {
        if (row.new === undefined) held?.delete(uuid);
        // An update brings whole rows of the followed columns.
        else held?.set(uuid, row.new);
      }
    }
  }

  private call(method: string, params: unknown): Promise<unknown> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.options.clock.after(callTimeoutMs, () => {
        this.waiting.delete(id);
        reject(
          new Failure('unreachable', 'ovsdb-silent', 'The database does not answer', {
            facts: { method },
          }),
        );
      });
      this.waiting.set(id, {
        resolve: (result) => {
          timer.cancel();
          resolve(result);
        },
        reject: (error) => {
          timer.cancel();
          reject(error);
        },
      });
      this.send({ id, method, params });
    });
  }

  private send(message: object): void {
    this.socket?.write(JSON.stringify(message));
  }
}
