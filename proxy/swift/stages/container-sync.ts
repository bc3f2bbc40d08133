/** What another cluster's container sync sends: proved by the realm's key and the container's own, it may write into that container. */

import type { Grant } from '../access.ts';
import { syncKeyField } from '../container-fields.ts';
import { refusal } from '../refusal.ts';
import { granted } from '../sub-request.ts';
import {
  headerOf,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { isSameText, parseRealms, syncSignature } from '../sync-realms.ts';

export function createContainerSync(services: SwiftServices): SwiftStage {
  const realms = parseRealms(services.swift);
  const check = async (request: SwiftRequest, auth: string): Promise<Grant | undefined> => {
    const { path, exchange } = request;
    const [realm = '', nonce = '', signature = '', ...rest] = auth.split(/\s+/);
    const realmKey = realms.key(realm);
    if (rest.length > 0 || realmKey === undefined || path.container === undefined) return undefined;
    const { account, container } = path;
    const found = await services.objects.containers.open(account, container);
    const userKey = found.system[syncKeyField];
    if (!userKey) return undefined;
    const wanted = syncSignature({
      method: exchange.method,
      path: exchange.url.split('?', 1)[0] ?? '',
      timestamp: headerOf(exchange, 'x-timestamp') ?? '0',
      nonce,
      realmKey,
      userKey,
    });
    return isSameText(signature, wanted) ? { account, container } : undefined;
  };
  const serve = async (request: SwiftRequest, auth: string) => {
    const grant = await check(request, auth);
    if (grant !== undefined)
      return { ...request, caller: granted(request.caller, grant), internal: { synced: true } };
    const text = 'X-Container-Sync-Auth header not valid; contact cluster operator for support.';
    const headers = { 'WWW-Authenticate': 'SwiftContainerSync realm="unknown"' };
    throw refusal('unauthorized', text, headers);
  };
  return async (request, next) => {
    const auth = headerOf(request.exchange, 'x-container-sync-auth');
    return await next(auth === undefined ? request : await serve(request, auth));
  };
}
