/** What operations are given and what they return. */
import type { Clock, Logger, Metrics, Random } from '#common';
import type { Authenticator, Identity, Owner, OwnerQuery } from '../authenticator.ts';
import type { Container, ObjectService } from '../objects/index.ts';
import type { AccessLog } from './access-log.ts';
import type { PayloadPlan } from './body/payload.ts';
import type { Accounts } from './iam/accounts.ts';
import type { Notifier } from './notify/notifier.ts';
import type { Quotas } from './quota.ts';
import type { RequestHead } from './request-head.ts';
import type { S3Settings } from './settings.ts';
import type { AuthenticateOptions } from './sigv4/authenticate.ts';

export interface S3Options {
  readonly objects: ObjectService;
  readonly authenticator: Pick<Authenticator, 's3Secret' | 'findOwner'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: S3Settings;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Without it no bucket's notifications are taken. */
  readonly notifier?: Notifier;
  /** Users and sessions of this API's own; without them there are none. */
  readonly accounts?: Accounts;
  readonly accessLog?: AccessLog;
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
  /** How it was signed; undefined for an unsigned request. */
  readonly signature: SignatureFacts | undefined;
  /** Tags that come in a form rather than in a header. */
  /** The lock that a document asks for, by the names of the headers that would. */
  readonly requestLock?: Readonly<Record<string, string>>;
  readonly requestTags?: readonly (readonly [string, string])[];
  /** When it came, in milliseconds since 1970. */
  readonly nowMs: number;
  readonly clientIp: string;
  /** Came over TLS. */
  readonly secure: boolean;
  /** Of the path, where this API is one of several under one address; else empty. */
  readonly prefix: string;
  readonly requestId: string;
  /** For what is added around an operation: the log and cross-origin headers. */
  readonly trace: RequestTrace;
  /** How long a day of lifecycle rules lasts. */
  readonly dayMs: number;
  /** The body as it comes off the wire; read it through `openBody` or `readDocument`. */
  readonly wire: AsyncIterable<Buffer>;
  /** All of `wire` at once, up to so many bytes; absent where it came some other way. */
  readonly whole?: (maxBytes: number) => Promise<Buffer>;
}

export interface RequestTrace {
  operation: string;
  /** The bucket that was addressed, once it was found. */
  container?: Container;
}

export interface SignatureFacts {
  readonly version: 'AWS4-HMAC-SHA256' | 'AWS';
  readonly kind: 'REST-HEADER' | 'REST-QUERY-STRING' | 'POST';
  readonly ageMs: number;
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
  readonly random: Random;
  /** How forms prove who signed them. */
  readonly proving: AuthenticateOptions;
  readonly notifier: Notifier;
  readonly quotas: Quotas;
  /** Users and sessions; undefined where there are none. */
  readonly accounts: Accounts | undefined;
  /** The project of a canonical id, or of a user with that address. */
  readonly findOwner: (query: OwnerQuery) => Promise<Owner | undefined>;
}

export type Operation = (request: S3Request, services: S3Services) => Promise<S3Reply>;
