/** The key manager on a scratch state, with master keys in memory. */

import { createOperations, operationMigrations, operationSettings } from '#cloud/operations';
import { createQuotas, quotaMigrations } from '#cloud/quotas';
import type { AnyTransaction } from '#cloud/state';
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '#common';
import { startApiServer } from '../../api/index.ts';
import { type EngineName, TestDatabase } from '../../state/testing/engines.ts';
import type { SecretCaller } from '../caller.ts';
import type { KeysForVolumes } from '../for-volumes.ts';
import { secretMigrations } from '../migrations/index.ts';
import type { MasterKeys } from '../sealing.ts';
import { createSecrets } from '../secrets.ts';
import { secretSettings } from '../settings.ts';
import type { SecretTables } from '../tables.ts';

export const projects = { one: '1'.repeat(32), two: '2'.repeat(32) };

/** Token → who that is. */
const people: Readonly<Record<string, readonly [projectId: string, roles: readonly string[]]>> = {
  admin: [projects.one, ['admin', 'member', 'reader']],
  member: [projects.one, ['member', 'reader']],
  colleague: [projects.one, ['member', 'reader']],
  reader: [projects.one, ['reader']],
  other: [projects.two, ['member', 'reader']],
};

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a parsed answer has whatever shape the API gave it
  readonly body: any;
  readonly text: string;
}

export interface SecretCloud {
  readonly forVolumes: KeysForVolumes;
  /** As another room does that changes keys and rows of its own in one. */
  change(work: (transaction: AnyTransaction) => Promise<void>): Promise<void>;
  rows(): Promise<readonly SecretTables['secret'][]>;
  /** `token` as in `people` or `system`; the path is behind `/v1`. */
  call(
    token: string,
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  settled(): Promise<void>;
  close(): Promise<void>;
}

export async function startSecretCloud(engine: EngineName = 'sqlite'): Promise<SecretCloud> {
  const database = new TestDatabase(engine);
  const common = { clock: systemClock, random: systemRandom, log: silentLogger };
  const state = await database.open([operationMigrations, quotaMigrations, secretMigrations]);
  const metrics = createMetrics();
  const operations = createOperations({
    state,
    settings: { ...defaultsOf(operationSettings), pollMs: 20, retryMs: 1 },
    owner: 'test',
    metrics,
    ...common,
  });
  const { service, forVolumes } = await createSecrets({
    state,
    operations,
    quotas: createQuotas(state),
    masterKeys: memoryKeys(),
    settings: defaultsOf(secretSettings),
    authenticate: async (token) => callerOf(token),
    ...common,
  });
  await operations.open();
  const at = { host: '127.0.0.1', port: 0 };
  const server = await startApiServer({ services: { '': service }, ...at, metrics, ...common });
  return {
    forVolumes,
    change: (work) => state.transaction(work),
    rows: () => state.db.$extendTables<SecretTables>().selectFrom('secret').selectAll().execute(),
    call: async (token, method, path, body, headers = {}) => {
      const raw = typeof body === 'string' || body === undefined;
      const type = raw ? {} : { 'Content-Type': 'application/json' };
      const response = await fetch(`${server.url}/v1${path}`, {
        method,
        headers: {
          'X-Auth-Token': token,
          'OpenStack-API-Version': 'key-manager 1.1',
          Accept: 'application/json',
          ...type,
          ...headers,
        },
        body: raw ? (body ?? null) : JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, text, body: parsed(text) };
    },
    settled: async () => {
      const open = await state.db
        .$extendTables<{ operation: { id: string; ended_at_us: number | null } }>()
        .selectFrom('operation')
        .select('id')
        .where('ended_at_us', 'is', null)
        .execute();
      for (const { id } of open) await operations.outcome(id);
    },
    close: async () => {
      await server.close();
      await operations.close();
      await database.remove();
    },
  };
}

function memoryKeys(): MasterKeys {
  const keys = new Map<string, Buffer>();
  return {
    makeKey: async () => {
      const key = systemRandom.bytes(32);
      const sealed = `1.${keys.size}`;
      keys.set(sealed, key);
      return { key, sealed };
    },
    openKey: async (_, sealed) => keys.get(sealed) ?? Buffer.alloc(32),
  };
}

function callerOf(token: string): SecretCaller | undefined {
  if (token === 'system')
    return {
      userId: 'user-system',
      projectId: undefined,
      isAdmin: true,
      credentials: { roles: ['admin', 'reader'], user_id: 'user-system', system_scope: 'all' },
    };
  const person = Object.hasOwn(people, token) ? people[token] : undefined;
  if (person === undefined) return undefined;
  const [projectId, roles] = person;
  const userId = `user-${token}`;
  const credentials = { roles, user_id: userId, project_id: projectId };
  return { userId, projectId, isAdmin: roles.includes('admin'), credentials };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
