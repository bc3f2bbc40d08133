/**
 * Controllers wake each other through Redis, so that what one has written down another begins at once instead of at its next
 * look. An accelerator: without it, or while it is away, everything works, `pollMs` later.
 */
import { Redis } from 'ioredis';
import type { Logger } from '#common';

export interface Waker {
  /** Tells the others; never waits and never fails. */
  announce(): void;
  /** Calls `wake` when another has told. */
  listen(wake: () => void): void;
  close(): void;
}

export interface WakerOptions {
  readonly url: string;
  /** Names the cloud: several may share one Redis. */
  readonly cluster: string;
  readonly log: Logger;
}

const retryMsMax = 5_000;

export function connectWaker({ url, cluster, log }: WakerOptions): Waker {
  const channel = `pileus:${cluster}:operations`;
  const options = {
    // What cannot be said now need not be said later: nothing queues while Redis is away.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (tries: number) => Math.min(tries * 100, retryMsMax),
  };
  const publisher = new Redis(url, options);
  const subscriber = new Redis(url, { ...options, autoResubscribe: true });
  let away = false;
  const report = (error: Error) => {
    if (!away) log.warn({ err: error }, 'Redis is away: operations are looked for in turns');
    away = true;
  };
  for (const client of [publisher, subscriber]) client.on('error', report);
  publisher.on('ready', () => {
    away = false;
  });
  return {
    announce: () => {
      if (publisher.status === 'ready') publisher.publish(channel, '').catch(report);
    },
    listen: (wake) => {
      subscriber.on('message', wake);
      // Also after every reconnection, when something may have been missed.
      subscriber.on('ready', () => {
        subscriber.subscribe(channel).then(wake, report);
      });
      if (subscriber.status === 'ready') subscriber.subscribe(channel).then(wake, report);
    },
    close: () => {
      publisher.disconnect();
      subscriber.disconnect();
    },
  };
}
