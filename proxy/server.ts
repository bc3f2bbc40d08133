/** The two front doors, each a listening server of its own. */
import type { Address, Clock, Logger, Metrics, Random } from '#common';
import { cacheAuthenticator } from './auth-cache.ts';
import type { Authenticator } from './authenticator.ts';
import type { Handler, Reply } from './exchange.ts';
import { type ListeningServer, listenHttp } from './http-server.ts';
import type { ObjectService } from './objects/index.ts';
import { createPipeline } from './pipeline.ts';
import type { ProxySettings } from './settings.ts';
import { createSwiftHandler } from './swift/index.ts';

export interface FrontDoorOptions {
  readonly address: Address;
  readonly objects: ObjectService;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly settings: ProxySettings;
}

/** What the S3 dialect is made from: its own settings are bound by who calls this. */
export type CreateS3Handler = (options: Omit<FrontDoorOptions, 'address' | 'settings'>) => Handler;

export async function createSwiftServer(options: FrontDoorOptions): Promise<ListeningServer> {
  return await openDoor(options, 'swift', createSwiftHandler, (status, reason) => ({
    status,
    headers: { 'Content-Type': 'text/plain' },
    body: reason,
  }));
}

export async function createS3Server(
  options: FrontDoorOptions,
  createHandler: CreateS3Handler,
): Promise<ListeningServer> {
  return await openDoor(options, 's3', createHandler, (status, reason) => ({
    status,
    headers: { 'Content-Type': 'application/xml' },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${
      status === 503 ? 'SlowDown' : 'InvalidRequest'
    }</Code><Message>${reason}</Message></Error>`,
  }));
}

async function openDoor(
  options: FrontDoorOptions,
  dialect: string,
  createHandler: (options: FrontDoorOptions) => Handler,
  refuse: (status: number, reason: string) => Reply,
): Promise<ListeningServer> {
  const authenticator = cacheAuthenticator(options.authenticator, options.clock, options.settings);
  const handler = createPipeline(
    {
      dialect,
      clock: options.clock,
      log: options.log,
      metrics: options.metrics,
      settings: options.settings,
      refuse: (status, reason) => Promise.resolve(refuse(status, reason)),
    },
    createHandler({ ...options, authenticator }),
  );
  const { clock, random, log, settings } = options;
  const server = await listenHttp({ clock, random, log, settings, handler }, options.address);
  return {
    port: server.port,
    close: async () => {
      await server.close();
      authenticator.close();
    },
  };
}
