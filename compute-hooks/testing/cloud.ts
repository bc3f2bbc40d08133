/** The compute API on a scratch state, over hypervisors and disks that only keep the books. */
import { startApiServer } from '#cloud/api';
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
import { type EngineName, TestDatabase } from '../../cloud/state/testing/engines.ts';
import type { ComputeCaller } from '../caller.ts';
import { createCompute } from '../compute-service.ts';
import { FakeHypervisor } from '../drivers/fake.ts';
import { computeMigrations } from '../migrations/index.ts';
import type { BootImage, ServerPorts, ServerVolumes } from '../neighbours.ts';
import { computeSettings } from '../settings.ts';
import { type MemoryDisks, memoryDisks } from './memory-disks.ts';

export const projects = {
  one: '11111111111111111111111111111111',
  two: '22222222222222222222222222222222',
};
export const imageId = '70696c65-7573-4775-8573-740000000002';

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

export interface ComputeCloud {
  readonly url: string;
  readonly disks: MemoryDisks;
  readonly hypervisors: ReadonlyMap<string, FakeHypervisor>;
  readonly operations: Operations;
  readonly filled: Map<string, object>;
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

export interface CloudOptions {
  readonly settings?: Partial<Record<keyof typeof computeSettings, unknown>>;
  readonly engine?: EngineName;
  readonly hosts?: readonly string[];
  readonly volumes?: ServerVolumes;
  readonly ports?: ServerPorts;
}

export async function startComputeCloud(options: CloudOptions = {}): Promise<ComputeCloud> {
  const database = new TestDatabase(options.engine ?? 'sqlite');
  const common = { clock: systemClock, random: systemRandom, log: silentLogger };
  const state = await database.open([operationMigrations, quotaMigrations, computeMigrations]);
  const metrics = createMetrics();
  const operations = createOperations({
    state,
    settings: { ...defaultsOf(operationSettings), pollMs: 20, retryMs: 1 },
    owner: 'test',
    metrics,
    ...common,
  });
  const disks = memoryDisks();
  await disks.create({ id: 'content', name: 'content', project: 'service', sizeBytes: 2 ** 26 });
  const filled = new Map<string, object>();
  const hypervisors = new Map(
    (options.hosts ?? ['one']).map((name) => [name, new FakeHypervisor({ clock: systemClock })]),
  );
  const compute = await createCompute({
    state,
    operations,
    quotas: createQuotas(state),
    engine: disks,
    images: {
      find: async (id) => imageOf(id),
      create: async ({ name }) => `image-of-${name}`,
      fill: async (id, source) => {
        filled.set(id, source);
      },
      abandon: async () => {},
    },
    ...(options.volumes === undefined ? {} : { volumes: options.volumes }),
    ...(options.ports === undefined ? {} : { ports: options.ports }),
    hosts: [...hypervisors].map(([name, hypervisor]) => ({
      name,
      hypervisor,
      nbdSocketPath: '/run/nbd.sock',
      space: async () => ({ totalBytes: 2 ** 50, freeBytes: 2 ** 49 }),
    })),
    settings: { ...defaultsOf(computeSettings), ...options.settings } as never,
    consoleUrl: 'http://127.0.0.1/compute-console',
    authenticate: async (token) => callerOf(token),
    ...common,
  });
  await operations.open();
  const server = await startApiServer({
    services: { '': compute.service, '/placement': compute.placement },
    doors: { '/compute-console': compute.consoles.serve },
    upgrades: { '/compute-console': compute.consoles.upgrade },
    host: '127.0.0.1',
    port: 0,
    metrics,
    ...common,
  });
  return {
    url: server.url,
    disks,
    hypervisors,
    operations,
    filled,
    call: async (token, method, path, body, version) => {
      const response = await fetch(`${server.url}/v2.1${path}`, {
        method,
        headers: {
          'X-Auth-Token': token,
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(version === undefined ? {} : { 'OpenStack-API-Version': `compute ${version}` }),
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
      await compute.close();
      await database.remove();
    },
  };
}

function callerOf(token: string): ComputeCaller | undefined {
  const person = Object.hasOwn(people, token) ? people[token] : undefined;
  if (person === undefined) return undefined;
  const [projectId, roles] = person;
  const userId = `user-${token}`;
  return {
    token,
    userId,
    projectId,
    isAdmin: roles.includes('admin'),
    credentials: { roles, user_id: userId, project_id: projectId },
  };
}

function imageOf(id: string): BootImage {
  if (id !== imageId)
    throw new Failure('missing', 'not-there', 'There is no such image', { facts: { id } });
  return {
    id,
    name: 'pileus-guest',
    volumeId: 'content',
    virtualBytes: 2 ** 26,
    minDiskGib: 0,
    minRamMib: 0,
    sizeBytes: 2 ** 24,
    containerFormat: 'bare',
    diskFormat: 'qcow2',
    properties: { os_type: 'linux' },
  };
}
