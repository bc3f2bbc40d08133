/** The dialect on a real listening server over the object service in memory, with two projects that have keys. */
import {
  createMetrics,
  defaultsOf,
  type Random,
  seededRandom,
  silentLogger,
  systemClock,
} from '#common';
import type { AccessKey, Authenticator, Identity } from '../../authenticator.ts';
import { createObjectService, type ObjectService } from '../../objects/index.ts';
import { createMemoryCluster, type MemoryCluster } from '../../objects/testing/memory-cluster.ts';
import { createS3Server, createSwiftServer } from '../../server.ts';
import { type ProxySettings, proxySettings } from '../../settings.ts';
import { swiftSettings } from '../../swift/index.ts';
import { type S3Settings, s3Settings } from '../settings.ts';

export interface TestKey {
  readonly accessKey: string;
  readonly secret: string;
  readonly project: string;
}

function identityOf(project: string, roles: readonly string[]): Identity {
  return {
    userId: `user-of-${project}`,
    userName: project,
    projectId: project,
    projectName: project,
    domainId: 'default',
    domainName: 'Default',
    roles,
    reseller: false,
    expiresMs: undefined,
  };
}

export const blueKey: TestKey = { accessKey: 'BLUE1KEY', secret: 'bluesecret1', project: 'blue' };
export const blueReader: TestKey = {
  accessKey: 'BLUE2KEY',
  secret: 'readsecret2',
  project: 'blue',
};
export const redKey: TestKey = { accessKey: 'RED1KEY', secret: 'redsecret3', project: 'red' };

const known = new Map<string, AccessKey>([
  [blueKey.accessKey, { secret: blueKey.secret, identity: identityOf('blue', ['member']) }],
  [blueReader.accessKey, { secret: blueReader.secret, identity: identityOf('blue', ['reader']) }],
  [redKey.accessKey, { secret: redKey.secret, identity: identityOf('red', ['member']) }],
]);

export const testAuthenticator: Authenticator = {
  authenticatePassword: async () => undefined,
  // For Swift requests: `token-PROJECT`.
  validateToken: async (token) => {
    const project = token.replace(/^token-/, '');
    return project === 'blue' || project === 'red' ? identityOf(project, ['member']) : undefined;
  },
  s3Secret: async (accessKey) => known.get(accessKey),
  findOwner: async (query) => {
    const id = 'id' in query ? query.id : query.email.replace(/@example\.org$/, '');
    return id === 'blue' || id === 'red' ? { id, displayName: id } : undefined;
  },
  onRevoked: () => () => undefined,
};

export interface S3World {
  readonly port: number;
  readonly endpoint: string;
  /** Of the Swift door to the same objects: `…/v1/AUTH_PROJECT`. */
  readonly swift: string;
  readonly objects: ObjectService;
  readonly cluster: MemoryCluster;
  /** Writes gathered access log lines at once. */
  flushLogs(): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly s3?: Partial<S3Settings>;
  readonly proxy?: Partial<ProxySettings>;
  readonly random?: Random;
}

export async function startS3World(options: WorldOptions = {}): Promise<S3World> {
  const random = options.random ?? seededRandom(7);
  const settings: ProxySettings = { ...defaultsOf(proxySettings), ...options.proxy };
  const cluster = createMemoryCluster(seededRandom(1));
  const shared = { clock: systemClock, log: silentLogger, random };
  const objects = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    settings,
    ...shared,
  });
  const server = await createS3Server({
    address: { host: '127.0.0.1', port: 0 },
    objects,
    authenticator: testAuthenticator,
    settings,
    s3: { ...defaultsOf(s3Settings), ...options.s3 },
    metrics: createMetrics(),
    secret: Buffer.alloc(32, 5),
    ...shared,
  });
  const swift = await createSwiftServer({
    address: { host: '127.0.0.1', port: 0 },
    objects,
    authenticator: testAuthenticator,
    settings,
    swift: defaultsOf(swiftSettings),
    metrics: createMetrics(),
    ...shared,
  });
  return {
    port: server.port,
    swift: `http://127.0.0.1:${swift.port}/v1`,
    endpoint: `http://127.0.0.1:${server.port}`,
    objects,
    cluster,
    flushLogs: () => server.flushLogs(),
    close: async () => {
      await server.close();
      await swift.close();
      await objects.close();
    },
  };
}
