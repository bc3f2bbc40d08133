/** What the operations of the dialect are given. */
import type { Clock, Logger } from '#common';
import type { Authenticator } from '../authenticator.ts';
import type { Exchange, Reply } from '../exchange.ts';
import type { ObjectService } from '../objects/index.ts';
import type { ProxySettings } from '../settings.ts';
import type { AccessRules, Caller } from './access.ts';
import type { SwiftSettings } from './settings.ts';
import type { StoragePolicies } from './storage-policies.ts';
import type { Query, SwiftPath } from './swift-path.ts';

export interface SwiftServices {
  readonly objects: ObjectService;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: ProxySettings;
  readonly swift: SwiftSettings;
  readonly rules: AccessRules;
  readonly policies: StoragePolicies;
  /** Names of the stages in the pipeline. */
  readonly offers: ReadonlySet<string>;
}

export interface SwiftRequest {
  readonly exchange: Exchange;
  readonly path: SwiftPath;
  readonly query: Query;
  readonly caller: Caller;
  /** Made by one of our own stages on behalf of a request; what such requests may do beyond others. */
  readonly internal?: InternalRights;
}

export interface InternalRights {
  /** Moves a version about: that makes no version again. */
  readonly restoring?: boolean;
  /** Comes from another cluster's container sync, as it was there. */
  readonly synced?: boolean;
}

export interface ContainerRequest extends SwiftRequest {
  readonly path: SwiftPath & { readonly container: string };
}

export interface ObjectRequest extends SwiftRequest {
  readonly path: SwiftPath & { readonly container: string; readonly object: string };
}

export type Operation<R extends SwiftRequest> = (
  request: R,
  services: SwiftServices,
) => Promise<Reply>;

/** What comes behind a stage. */
export type SwiftHandler = (request: SwiftRequest) => Promise<Reply>;

/** One of Swift's middlewares: does its part, or hands the request on. */
export type SwiftStage = (request: SwiftRequest, next: SwiftHandler) => Promise<Reply>;

export function isObjectRequest(request: SwiftRequest): request is ObjectRequest {
  return request.path.object !== undefined;
}

export function isContainerRequest(request: SwiftRequest): request is ContainerRequest {
  return request.path.container !== undefined && request.path.object === undefined;
}

/** The first value of a header as bytes; lists (only set-cookie in Node) do not occur. */
export function headerOf(exchange: Exchange, name: string): string | undefined {
  const value = exchange.headers[name];
  return typeof value === 'string' ? value : undefined;
}
