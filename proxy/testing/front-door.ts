/** A Swift server over a cluster in memory, with two projects: for tests of the dialect over real HTTP. */
import {
  createMetrics,
  defaultsOf,
  type Logger,
  seededRandom,
  silentLogger,
  systemClock,
} from '#common';
import type { Authenticator, Identity } from '../authenticator.ts';
import { createObjectService, type ObjectService } from '../objects/index.ts';
import { createMemoryCluster, type MemoryCluster } from '../objects/testing/memory-cluster.ts';
import { createSwiftServer } from '../server.ts';
import { type ProxySettings, proxySettings } from '../settings.ts';
import { type SwiftSettings, swiftSettings } from '../swift/index.ts';

export interface TestUser {
  readonly project: string;
  readonly name: string;
  readonly key: string;
  readonly roles: readonly string[];
  readonly reseller?: boolean;
  /** Of project and user; the default one when it is absent. */
  readonly domain?: string;
}

export const testUsers: readonly TestUser[] = [
  { project: 'demo', name: 'alice', key: 'alice-key', roles: ['member'] },
  { project: 'demo', name: 'ron', key: 'ron-key', roles: ['reader'] },
  { project: 'other', name: 'bob', key: 'bob-key', roles: ['member'] },
  { project: 'other', name: 'nora', key: 'nora-key', roles: ['nobody'] },
  { project: 'far', name: 'fay', key: 'fay-key', roles: ['member'], domain: 'abroad' },
  { project: 'service', name: 'glance', key: 'glance-key', roles: ['service'] },
  { project: 'admin', name: 'root', key: 'root-key', roles: ['admin'], reseller: true },
];

function identityOf(user: TestUser): Identity {
  return {
    userId: `id-${user.name}`,
    userName: user.name,
    projectId: `id-${user.project}`,
    projectName: user.project,
    domainId: user.domain ?? 'default',
    domainName: user.domain ?? 'Default',
    userDomainId: user.domain ?? 'default',
    roles: user.roles,
    reseller: user.reseller === true,
    expiresMs: undefined,
  };
}

/** Tokens are `token-NAME`. */
export function createTestAuthenticator(): Authenticator {
  return {
    authenticatePassword: async (projectUser, key) => {
      const user = testUsers.find(({ project, name }) => `${project}:${name}` === projectUser);
      if (user === undefined || user.key !== key) return undefined;
      return { token: `token-${user.name}`, identity: identityOf(user) };
    },
    validateToken: async (token) => {
      const user = testUsers.find(({ name }) => `token-${name}` === token);
      return user === undefined ? undefined : identityOf(user);
    },
    s3Secret: async () => undefined,
    findOwner: async (query) => {
      const id = 'id' in query ? query.id : '';
      const user = testUsers.find(({ project }) => `id-${project}` === id);
      return user && { id, displayName: user.project, domainId: user.domain ?? 'default' };
    },
    onRevoked: () => () => undefined,
  };
}

export interface FrontDoor {
  readonly origin: string;
  readonly port: number;
  readonly cluster: MemoryCluster;
  readonly objects: ObjectService;
  close(): Promise<void>;
}

export async function openFrontDoor(
  changes: Partial<ProxySettings> = {},
  log: Logger = silentLogger,
  swift: Partial<SwiftSettings> = {},
): Promise<FrontDoor> {
  const settings = { ...defaultsOf(proxySettings), ...changes };
  const cluster = createMemoryCluster(seededRandom(7));
  const shared = { clock: systemClock, random: seededRandom(8), log, settings };
  const objects = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    ...shared,
  });
  const server = await createSwiftServer({
    ...shared,
    address: { host: '127.0.0.1', port: 0 },
    objects,
    authenticator: createTestAuthenticator(),
    swift: { ...defaultsOf(swiftSettings), ...swift },
    metrics: createMetrics(),
  });
  return {
    origin: `http://127.0.0.1:${server.port}`,
    port: server.port,
    cluster,
    objects,
    close: async () => {
      await server.close();
      await objects.close();
    },
  };
}
