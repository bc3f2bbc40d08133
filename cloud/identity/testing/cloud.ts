/** An identity service on a scratch folder and a random port, for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openState, type State, type StateSettings, stateSettings } from '#cloud/state';
import {
  type Clock,
  createMetrics,
  defaultsOf,
  type Logger,
  silentLogger,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import { type ApiServer, startApiServer } from '../../api/index.ts';
import { type EngineName, TestDatabase } from '../../state/testing/engines.ts';
import { type AdminCredentials, ensureAdminCredentials } from '../bootstrap.ts';
import type { CoreOptions } from '../core.ts';
import { createIdentity, type Identity } from '../identity.ts';
import { identityMigrations } from '../migrations/index.ts';
import { ensureSealingKey } from '../sealing.ts';
import { type IdentitySettings, identitySettings } from '../settings.ts';

export interface TestCloud {
  readonly identity: Identity;
  readonly state: State;
  readonly admin: AdminCredentials;
  readonly server: ApiServer;
  readonly folder: string;
  close(): Promise<void>;
}

export interface TestCloudOptions {
  readonly folder?: string;
  readonly settings?: Partial<IdentitySettings>;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly port?: number;
  readonly objectUrl?: string;
  /** Another database than SQLite in the folder. */
  readonly state?: StateSettings;
  readonly notify?: NonNullable<CoreOptions['notify']>;
  /** The same, by the engine's name. */
  readonly engine?: EngineName;
}

/** A cheap hash: what it costs is tested where hashes are. */
const cheap = { passwordCostLog2: 10 };

export async function startTestCloud(options: TestCloudOptions = {}): Promise<TestCloud> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'pileus-identity-')));
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLogger;
  const random = systemRandom;
  const state = await openState({
    path: join(folder, 'state.sqlite'),
    settings:
      options.engine === undefined
        ? (options.state ?? defaultsOf(stateSettings))
        : new TestDatabase(options.engine).settings,
    migrations: [identityMigrations],
    disk: systemDisk,
    clock,
    log,
  });
  const admin = await ensureAdminCredentials(systemDisk, join(folder, 'admin.json'), random);
  const identity = await createIdentity({
    state,
    ...(options.notify === undefined ? {} : { notify: options.notify }),
    sealingKey: await ensureSealingKey(systemDisk, join(folder, 'sealing.key'), random),
    settings: { ...defaultsOf(identitySettings), ...cheap, ...options.settings },
    clock,
    random,
    log,
  });
  const server = await startApiServer({
    services: { '': identity.service, '/identity': identity.service },
    host: '127.0.0.1',
    port: options.port ?? 0,
    clock: systemClock,
    random,
    log,
    metrics: createMetrics(),
  });
  await identity.bootstrap(admin, [
    { type: 'identity', name: 'keystone', url: `${server.url}/v3` },
    {
      type: 'object-store',
      name: 'swift',
      url: options.objectUrl ?? 'http://127.0.0.1:1/v1/AUTH_%(project_id)s',
    },
  ]);
  return {
    identity,
    state,
    admin,
    server,
    folder,
    close: async () => {
      await server.close();
      await identity.close();
      await state.close();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
