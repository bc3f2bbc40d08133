/** An image service on a scratch folder and a random port, with tokens that say who bears them; for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApiServer } from '#cloud/api';
import {
  createOperations,
  type Operations,
  operationMigrations,
  operationSettings,
} from '#cloud/operations';
import { createQuotas, quotaMigrations } from '#cloud/quotas';
import { openState, stateSettings } from '#cloud/state';
import {
  createMetrics,
  defaultsOf,
  silentLogger,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import { createImages, type Images } from '../images.ts';
import { imageMigrations } from '../migrations/index.ts';
import { type ImageSettings, imageSettings } from '../settings.ts';
import { type Answer, type CallOptions, send } from './client.ts';
import { type Hook, memoryObjects, memoryStore, memoryVolumes } from './stores.ts';

/** What outlives a process: files of the store, volumes, and the folder of the database. */
export interface Remains {
  readonly folder: string;
  readonly files: Map<string, Buffer>;
  readonly volumes: Map<string, Buffer>;
}

export interface World {
  readonly operations: Operations;
  readonly forVolumes: Images['forVolumes'];
  call(token: string, method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Waits until no operation is in the works. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export async function newRemains(): Promise<Remains> {
  const folder = await mkdtemp(join(tmpdir(), 'pileus-image-'));
  return { folder, files: new Map(), volumes: new Map() };
}

export const removeRemains = ({ folder }: Remains) => rm(folder, { recursive: true, force: true });

/** `project/role,role/user`: who the bearer is. */
async function bearer(token: string) {
  const [project = '', roles = '', user = 'user'] = token.split('/');
  if (roles === '') return undefined;
  const projectId = project === '' ? undefined : project;
  return {
    userId: user,
    projectId,
    credentials: { roles: roles.split(','), user_id: user, project_id: projectId },
  };
}

export async function openWorld(
  remains: Remains,
  options: {
    readonly settings?: Partial<ImageSettings>;
    readonly hook?: Hook;
    /** What the one object of the users holds. */
    readonly object?: Buffer;
    /** Told where operations could die. */
    readonly reached?: (point: string) => void;
  } = {},
): Promise<World> {
  const hook = options.hook ?? (async () => undefined);
  const common = { clock: systemClock, log: silentLogger };
  const state = await openState({
    path: join(remains.folder, 'state.sqlite'),
    settings: defaultsOf(stateSettings),
    migrations: [imageMigrations, operationMigrations, quotaMigrations],
    disk: systemDisk,
    ...common,
  });
  const operations = createOperations({
    state,
    settings: { ...defaultsOf(operationSettings), pollMs: 100, retryMs: 10 },
    owner: 'test',
    random: systemRandom,
    metrics: createMetrics(),
    ...common,
    ...(options.reached === undefined ? {} : { reached: options.reached }),
  });
  const images = await createImages({
    state,
    operations,
    quotas: createQuotas(state),
    settings: { ...defaultsOf(imageSettings), sweepMs: 100, ...options.settings },
    random: systemRandom,
    store: memoryStore(remains.files, hook),
    volumes: memoryVolumes(remains.volumes, hook),
    ...(options.object === undefined
      ? {}
      : { objects: memoryObjects(options.object, remains.files) }),
    scratch: join(remains.folder, 'scratch'),
    holder: 'test',
    authenticate: bearer,
    ...common,
  });
  await operations.open();
  const server = await startApiServer({
    services: { '': images.service },
    host: '127.0.0.1',
    port: 0,
    random: systemRandom,
    metrics: createMetrics(),
    ...common,
  });
  const settled = async () => {
    type Tables = { operation: { state: string } };
    const rows = state.db.$extendTables<Tables>().selectFrom('operation').select('state');
    for (let tries = 0; tries < 800; tries++) {
      const busy = await rows
        .where('state', 'in', ['waiting', 'running', 'undoing'])
        .executeTakeFirst();
      if (busy === undefined) return;
      await systemClock.sleep(25);
    }
    throw new Error('operations did not end');
  };
  return {
    operations,
    forVolumes: images.forVolumes,
    call: (token, method, path, call = {}) => send(server.url + path, token, method, call),
    settled,
    close: async () => {
      await server.close();
      await operations.close();
      await images.close();
      await state.close();
    },
  };
}
