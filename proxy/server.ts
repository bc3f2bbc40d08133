/** The two front doors, each a listening server of its own. */
import type { Address, Clock, Logger, Metrics, Random } from '#common';
import { cacheAuthenticator } from './auth-cache.ts';
import type { Authenticator } from './authenticator.ts';
import type { Handler, Reply } from './exchange.ts';
import { type ListeningServer, listenHttp } from './http-server.ts';
import type { ObjectService } from './objects/index.ts';
import { createPipeline } from './pipeline.ts';
import {
  AccessLog,
  Accounts,
  createNotifier,
  createS3Handler,
  createS3Refusal,
  type S3Settings,
  startS3Work,
} from './s3/index.ts';
import type { ProxySettings } from './settings.ts';
import { createSwiftHandler, type SwiftSettings, startSwiftWorkers } from './swift/index.ts';

export interface FrontDoorOptions {
  readonly address: Address;
  readonly objects: ObjectService;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly settings: ProxySettings;
  /** PEM; plain HTTP without it. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface S3DoorOptions extends FrontDoorOptions {
  readonly s3: S3Settings;
  /** The cluster's secret: seals session tokens and users' keys. Without it there are no sessions and no users. */
  readonly secret?: Buffer;
}

export interface SwiftDoorOptions extends FrontDoorOptions {
  readonly swift: SwiftSettings;
}

export async function createSwiftServer(options: SwiftDoorOptions): Promise<ListeningServer> {
  const refuse = async (status: number, reason: string): Promise<Reply> => ({
    status,
    headers: { 'Content-Type': 'text/plain' },
    body: reason,
  });
  const door = await openDoor(options, {
    name: 'swift',
    refuse,
    create: (authenticator) => createSwiftHandler({ ...options, authenticator }),
  });
  const workers = startSwiftWorkers(options, options.random);
  return {
    ...door,
    close: async () => {
      await workers.close();
      await door.close();
    },
  };
}

export interface S3Server extends ListeningServer {
  /** Writes the access log lines gathered so far; otherwise a minute may pass. */
  flushLogs(): Promise<void>;
}

/** The S3 door, with what works for it in the background: lifecycle rules, inventories, notifications, access logs. */
export async function createS3Server(options: S3DoorOptions): Promise<S3Server> {
  const { s3: settings, objects, clock, log, random } = options;
  const notifier = createNotifier({ ...options, settings });
  const accessLog = new AccessLog({ objects, clock, log, random, region: settings.region });
  const s3 = { ...options, settings, notifier, accessLog };
  const server = await openDoor(options, {
    name: 's3',
    refuse: createS3Refusal(random),
    create: (authenticator) => {
      const { secret, objects } = options;
      const accounts =
        secret && new Accounts({ authenticator, records: objects.records, secret, clock, random });
      return createS3Handler({ ...s3, authenticator, ...(accounts && { accounts }) });
    },
  });
  const stopWork = startS3Work({ ...options, settings, notifier });
  return {
    ...server,
    flushLogs: () => accessLog.flush(),
    close: async () => {
      await stopWork();
      await server.close();
      await accessLog.flush();
      await notifier.close();
    },
  };
}

interface Dialect {
  readonly name: string;
  readonly refuse: (status: number, reason: string) => Promise<Reply>;
  readonly create: (authenticator: Authenticator) => Handler;
}

async function openDoor(options: FrontDoorOptions, dialect: Dialect): Promise<ListeningServer> {
  const authenticator = cacheAuthenticator(options.authenticator, options.clock, options.settings);
  const handler = createPipeline(
    {
      dialect: dialect.name,
      clock: options.clock,
      log: options.log,
      metrics: options.metrics,
      settings: options.settings,
      refuse: dialect.refuse,
    },
    dialect.create(authenticator),
  );
  const { clock, random, log, settings } = options;
  const tls = options.tls === undefined ? {} : { tls: options.tls };
  const listener = { clock, random, log, settings, handler, refuse: dialect.refuse, ...tls };
  const server = await listenHttp(listener, options.address);
  return {
    ...server,
    close: async () => {
      await server.close();
      authenticator.close();
    },
  };
}
