/** The engines that every store must work on; a test file runs its tests once for each. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import {
  type Clock,
  defaultsOf,
  type Logger,
  silentLogger,
  systemClock,
  systemDisk,
} from '#common';
import {
  openState,
  type RoomMigrations,
  type State,
  type StateSettings,
  stateSettings,
} from '../index.ts';
import { TestPostgres } from './postgres.ts';

export type EngineName = 'sqlite' | 'postgres';
export const engines: readonly EngineName[] = ['sqlite', 'postgres'];

/** One server for all tests of a file. */
let server: TestPostgres | undefined;

// A test's process may be ended without a word, so the server ends with the file.
afterAll(() => {
  server?.remove();
  server = undefined;
});

export function postgresServer(): TestPostgres {
  server ??= TestPostgres.start();
  return server;
}

/** An empty database, which several states may open. */
export class TestDatabase {
  readonly engine: EngineName;
  readonly folder: string;
  private readonly url: string;
  private readonly opened: State[] = [];

  constructor(engine: EngineName) {
    this.engine = engine;
    this.folder = fs.mkdtempSync(join(tmpdir(), 'pileus-state-'));
    this.url = engine === 'postgres' ? postgresServer().database() : '';
  }

  get path(): string {
    return join(this.folder, 'deep', 'state.sqlite');
  }

  /** What `state.url` must be for it. */
  get settings(): StateSettings {
    return { ...defaultsOf(stateSettings), url: this.url };
  }

  async open(
    migrations: readonly RoomMigrations[],
    options: {
      readonly settings?: Partial<StateSettings>;
      readonly clock?: Clock;
      readonly log?: Logger;
    } = {},
  ): Promise<State> {
    const state = await openState({
      path: this.path,
      settings: { ...this.settings, ...options.settings },
      migrations,
      disk: systemDisk,
      clock: options.clock ?? systemClock,
      log: options.log ?? silentLogger,
    });
    this.opened.push(state);
    return state;
  }

  /** Closes what is open and forgets everything. */
  async remove(): Promise<void> {
    for (const state of this.opened.reverse()) await state.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
