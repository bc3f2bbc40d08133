/** The volume API on a scratch state, over an engine that only keeps the books. */

import {
  createOperations,
  type Operations,
  operationMigrations,
  operationSettings,
} from '#cloud/operations';
import { createQuotas, quotaMigrations } from '#cloud/quotas';
import {
  createMetrics,
  defaultsOf,
  Failure,
  silentLogger,
  systemClock,
  systemRandom,
} from '#common';
import { startApiServer } from '../../api/index.ts';
import { type EngineName, TestDatabase } from '../../state/testing/engines.ts';
import type { VolumeCaller } from '../caller.ts';
import type { ImageSource, NewImage } from '../engine.ts';
import { volumeMigrations } from '../migrations/index.ts';
import { volumeSettings } from '../settings.ts';
import { createBlockStorage } from '../volume-service.ts';
import { type MemoryEngine, memoryEngine } from './memory-engine.ts';

export const projects = {
  one: '11111111111111111111111111111111',
  two: '22222222222222222222222222222222',
};

/** Token → who that is. */
const people: Readonly<Record<string, readonly [projectId: string, roles: readonly string[]]>> = {
  admin: [projects.one, ['admin', 'member', 'reader']],
  member: [projects.one, ['member', 'reader']],
  reader: [projects.one, ['reader']],
  other: [projects.two, ['member', 'reader']],
};

export interface Answer {
  readonly status: number;
  // Tests say what they expect of it.
  // biome-ignore lint/suspicious/noExplicitAny: a parsed answer has whatever shape the API gave it
  readonly body: any;
  readonly headers: Headers;
}

export interface VolumeCloud {
  readonly engine: MemoryEngine;
  readonly operations: Operations;
  readonly images: Map<string, ImageSource>;
  /** Image → the sealed volume of its disk. */
  readonly imageVolumes: Map<string, string>;
  /** Names of keys that volumes were encrypted with. */
  readonly keys: Set<string>;
  readonly filled: Map<string, { volume: string; snapshot: string }>;
  /** `PROJECT/CONTAINER/NAME` → objects of backups. */
  readonly objects: Map<string, Buffer>;
  /** `token` as in `people`; the path is behind `/v3`. */
  call(
    token: string,
    method: string,
    path: string,
    body?: unknown,
    version?: string,
  ): Promise<Answer>;
  /** Resolves when no operation is at work any more. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export async function startVolumeCloud(
  settings: Partial<Record<keyof typeof volumeSettings, unknown>> = {},
  engineName: EngineName = 'sqlite',
): Promise<VolumeCloud> {
  const database = new TestDatabase(engineName);
  const log = silentLogger;
  const common = { clock: systemClock, random: systemRandom, log };
  const state = await database.open([operationMigrations, quotaMigrations, volumeMigrations]);
  const metrics = createMetrics();
  const operations = createOperations({
    state,
    settings: { ...defaultsOf(operationSettings), pollMs: 20, retryMs: 1 },
    owner: 'test',
    metrics,
    ...common,
  });
  const engine = memoryEngine();
  const images = new Map<string, ImageSource>();
  const imageVolumes = new Map<string, string>();
  const keys = new Set<string>();
  const filled = new Map<string, { volume: string; snapshot: string }>();
  const objects = new Map<string, Buffer>();
  const { service } = await createBlockStorage({
    state,
    operations,
    quotas: createQuotas(state),
    engine,
    images: {
      find: async (id) => found(images.get(id), id),
      volumeOf: async (id) => found(imageVolumes.get(id), id),
      create: async (image) => newImage(image),
      fill: async (id, source) => {
        filled.set(id, source);
      },
      abandon: async () => {},
    },
    keys: {
      ensure: async ({ id }) => void keys.add(id),
      hold: async () => {},
      release: async (id) => void keys.delete(id),
      owned: async (id) => keys.has(id),
      heldByOthers: async () => false,
      move: async () => {},
    },
    objects: {
      find: async (uri) => {
        const body = objects.get(uri);
        if (body === undefined) return undefined;
        const place = { account: 'a', container: 'c', object: uri };
        return { ...place, etag: 'e', sizeBytes: body.length };
      },
      head: async ({ object }) => found(objects.get(object), object),
      bytes: ({ sizeBytes }) => ({
        sizeBytes,
        hold: async () => undefined,
        async *read() {},
      }),
    },
    backups: {
      check: (_project, container) => {
        if (container.includes(':')) throw new Failure('invalid', 'bad-backup-place', 'no target');
      },
      open: (project, container) => ({
        put: async (name, chunks) => {
          objects.set(`${project}/${container}/${name}`, Buffer.concat(chunks));
        },
        get: async (name) => found(objects.get(`${project}/${container}/${name}`), name),
        delete: async (name) => {
          objects.delete(`${project}/${container}/${name}`);
        },
      }),
    },
    projects: { exists: async (id) => Object.values(projects).includes(id) },
    settings: { ...defaultsOf(volumeSettings), ...settings } as never,
    host: 'here',
    nbd: { host: '127.0.0.1', port: 10_809, socketPath: '/run/nbd.sock' },
    space: async () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 }),
    authenticate: async (token) => callerOf(token),
    ...common,
  });
  await operations.open();
  const server = await startApiServer({
    services: { '': service },
    host: '127.0.0.1',
    port: 0,
    metrics,
    ...common,
  });
  return {
    engine,
    operations,
    images,
    imageVolumes,
    filled,
    objects,
    keys,
    call: async (token, method, path, body, version) => {
      const response = await fetch(`${server.url}/v3${path}`, {
        method,
        headers: {
          'X-Auth-Token': token,
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(version === undefined ? {} : { 'OpenStack-API-Version': `volume ${version}` }),
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? {} : JSON.parse(text),
      };
    },
    settled: async () => {
      const open = () =>
        state.db
          .$extendTables<{ operation: { id: string; ended_at_us: number | null } }>()
          .selectFrom('operation')
          .select('id')
          .where('ended_at_us', 'is', null)
          .execute();
      for (const { id } of await open()) await operations.outcome(id);
    },
    close: async () => {
      await server.close();
      await operations.close();
      await database.remove();
    },
  };
}

function callerOf(token: string): VolumeCaller | undefined {
  const person = Object.hasOwn(people, token) ? people[token] : undefined;
  if (person === undefined) return undefined;
  const [projectId, roles] = person;
  const isAdmin = roles.includes('admin');
  const userId = `user-${token}`;
  return {
    token,
    userId,
    projectId,
    isAdmin,
    credentials: { roles, user_id: userId, project_id: projectId },
  };
}

function found<T>(value: T | undefined, id: string): T {
  if (value !== undefined) return value;
  throw new Failure('missing', 'not-there', 'There is no such thing', { facts: { id } });
}

function newImage(image: NewImage): string {
  return `image-of-${image.name}`;
}
