/** What the operations of the dialect are given. */
import type { Clock } from '#common';
import type { Authenticator, Identity } from '../authenticator.ts';
import type { Exchange, Reply } from '../exchange.ts';
import type { ObjectService } from '../objects/index.ts';
import type { ProxySettings } from '../settings.ts';
import type { Query, SwiftPath } from './swift-path.ts';

export interface SwiftServices {
  readonly objects: ObjectService;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly settings: ProxySettings;
}

/** Who is calling. */
export interface Caller {
  /** Undefined for an anonymous request, and for a token that is not good. */
  readonly identity: Identity | undefined;
  readonly referer: string | undefined;
}

export interface SwiftRequest {
  readonly exchange: Exchange;
  readonly path: SwiftPath;
  readonly query: Query;
  readonly caller: Caller;
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

/** The first value of a header as bytes; lists (only set-cookie in Node) do not occur. */
export function headerOf(exchange: Exchange, name: string): string | undefined {
  const value = exchange.headers[name];
  return typeof value === 'string' ? value : undefined;
}
