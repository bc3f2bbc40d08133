/** What operations are given and what they return. */
import type { Clock, Logger, Metrics, Random } from '#common';
import type { Authenticator, Identity } from '../authenticator.ts';
import type { ObjectService } from '../objects/index.ts';
import type { PayloadPlan } from './body/payload.ts';
import type { RequestHead } from './request-head.ts';
import type { S3Settings } from './settings.ts';

export interface S3Options {
  readonly objects: ObjectService;
  readonly authenticator: Pick<Authenticator, 's3Secret'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: S3Settings;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Who signed the request. */
export interface Caller {
  readonly accessKey: string;
  readonly identity: Identity;
  /** The account that the key's project owns. */
  readonly account: string;
}

export interface S3Request {
  readonly head: RequestHead;
  readonly query: ReadonlyMap<string, string>;
  readonly bucket: string;
  readonly key: string;
  /** Undefined for an unsigned request. */
  readonly caller: Caller | undefined;
  readonly payload: PayloadPlan;
  /** The body as it comes off the wire; read it through `openBody` or `readDocument`. */
  readonly wire: AsyncIterable<Buffer>;
}

export type Headers = Readonly<Record<string, string>>;

export interface S3Reply {
  readonly status: number;
  readonly headers: Headers;
  /** Absent for none; a stream's length is in `headers`. */
  readonly body?: string | Buffer | AsyncIterable<Buffer>;
}

export interface S3Services {
  readonly objects: ObjectService;
  readonly settings: S3Settings;
}

export type Operation = (request: S3Request, services: S3Services) => Promise<S3Reply>;
