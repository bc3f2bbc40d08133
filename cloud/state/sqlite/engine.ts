/** State on SQLite in a file: one writer at a time, so every transaction has every lock. */
import { dirname } from 'node:path';
import { Kysely } from 'kysely';
import { type Clock, type Disk, Gate, isFailure } from '#common';
import type { Engine } from '../engine.ts';
import type { StateSettings } from '../settings.ts';
import { SqliteClient } from './client.ts';
import { sqliteThreadDialect } from './dialect.ts';

// Enough for every statement the program has; what is beyond is prepared again.
const statementsMax = 500;

export interface SqliteOptions {
  readonly path: string;
  readonly settings: StateSettings;
  readonly disk: Disk;
  readonly clock: Clock;
}

export async function sqliteEngine({
  path,
  settings,
  disk,
  clock,
}: SqliteOptions): Promise<Engine> {
  await ensureFile(disk, path);
  const client = await SqliteClient.start(
    { path, busyTimeoutMs: settings.busyTimeoutMs, statementsMax },
    settings.waitingMax,
  );
  const db = new Kysely<unknown>({
    dialect: sqliteThreadDialect({
      client,
      clock,
      transactionTimeoutMs: settings.transactionTimeoutMs,
      writeGate: new Gate({ name: 'state', inFlightMax: 1, waitingMax: settings.waitingMax }),
    }),
  });
  return {
    db,
    transaction: (work) => db.transaction().execute(work),
    locked: (_name, work) => work(db),
    close: async () => {
      await db.destroy();
      await client.close();
    },
  };
}

/** Makes the file before SQLite does, so that it and its journal belong to this user alone from the start. */
async function ensureFile(disk: Disk, path: string): Promise<void> {
  await disk.makeDirectory(dirname(path));
  if (await disk.exists(path)) return;
  try {
    const file = await disk.open(path, 'create');
    await file.sync();
    await file.close();
  } catch (error) {
    // Another process is starting on it at the same moment.
    if (!isFailure(error, 'conflict')) throw error;
  }
  await disk.syncDirectory(dirname(path));
}
