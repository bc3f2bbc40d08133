/** The pool of connections as Kysely takes it: bounded waiting, prepared statements, failures in our words. */
import { createHash } from 'node:crypto';
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { Failure, Gate, type Logger } from '#common';
import { postgresFailure } from './failures.ts';

export interface PoolOptions {
  readonly url: string;
  readonly connectionsMax: number;
  readonly waitingMax: number;
  /** For a statement, and for a transaction between two of them. */
  readonly timeoutMs: number;
  readonly log: Logger;
}

// Enough for every statement the program has; filters put together at run time beyond that are planned each time.
const preparedMax = 500;

const int8 = 20;
const numeric = 1700;

function integerOf(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new Failure('bug', 'number-too-large', 'A stored number is larger than can be counted', {
    facts: { text },
  });
}

const types = {
  getTypeParser(id: number, format?: 'text' | 'binary') {
    if (id === int8) return integerOf;
    // What `sum` of such integers is.
    if (id === numeric) return Number;
    return format === 'binary'
      ? pg.types.getTypeParser(id, 'binary')
      : pg.types.getTypeParser(id, 'text');
  },
};

export function openPool(options: PoolOptions): PostgresPool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connectionsMax,
    connectionTimeoutMillis: options.timeoutMs,
    idleTimeoutMillis: 60_000,
    statement_timeout: options.timeoutMs,
    idle_in_transaction_session_timeout: options.timeoutMs,
    application_name: 'pileus',
    keepAlive: true,
    types,
  });
  // A connection that breaks while it is idle leaves the pool; its next user gets another.
  pool.on('error', (error) => options.log.warn({ err: error }, 'a database connection broke'));
  const gate = new Gate({
    name: 'state',
    inFlightMax: options.connectionsMax,
    waitingMax: options.waitingMax,
  });
  const names = new Map<string, string>();
  return {
    options: {},
    end: () => pool.end(),
    async connect() {
      await gate.enter();
      try {
        return clientOf(await pool.connect(), names, () => gate.leave());
      } catch (error) {
        gate.leave();
        throw postgresFailure(error);
      }
    },
  };
}

/** The same face for the same connection: Kysely remembers connections by it. */
const faces = new WeakMap<pg.PoolClient, PostgresPoolClient>();
const leavers = new WeakMap<pg.PoolClient, () => void>();

function clientOf(
  client: pg.PoolClient,
  names: Map<string, string>,
  leave: () => void,
): PostgresPoolClient {
  leavers.set(client, leave);
  const known = faces.get(client);
  if (known !== undefined) return known;
  // While it is in use its user hears of it through the statement that fails.
  client.on('error', () => {});
  const face: PostgresPoolClient = {
    processID: Reflect.get(client, 'processID'),
    // biome-ignore lint/suspicious/noExplicitAny: Kysely's interface covers cursors too, which are not used.
    query: ((sql: string, parameters: readonly unknown[]): Promise<any> =>
      run(client, nameOf(names, sql), sql, parameters)) as PostgresPoolClient['query'],
    release: (destroy) => {
      client.release(destroy);
      leavers.get(client)?.();
    },
  };
  faces.set(client, face);
  return face;
}

async function run(
  client: pg.PoolClient,
  name: string | undefined,
  text: string,
  parameters: readonly unknown[],
) {
  const values = parameters.map((value) => (typeof value === 'boolean' ? Number(value) : value));
  try {
    return await client.query({ text, values, ...(name === undefined ? {} : { name }) });
  } catch (error) {
    throw postgresFailure(error);
  }
}

/** Statements with parameters recur; what has none is control or DDL. */
function nameOf(names: Map<string, string>, sql: string): string | undefined {
  if (!sql.includes('$1')) return undefined;
  const known = names.get(sql);
  if (known !== undefined || names.size >= preparedMax) return known;
  const name = createHash('sha256').update(sql).digest('hex').slice(0, 32);
  names.set(sql, name);
  return name;
}
