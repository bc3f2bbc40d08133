/**
 * Container sync, both ends. What another cluster sends, proved by the realm's key and the container's own, may be written into that
 * container. And which containers are synced from here, and what is deleted in them, is noted for the worker (`sync-worker.ts`).
 */

import type { Reply } from '../../exchange.ts';
import type { Container } from '../../objects/index.ts';
import type { Grant } from '../access.ts';
import { syncKeyField, syncToField } from '../container-fields.ts';
import { removeNote, writeNote } from '../notes.ts';
import { isSuccess, refusal } from '../refusal.ts';
import { granted } from '../sub-request.ts';
import {
  headerOf,
  isContainerRequest,
  isObjectRequest,
  type ObjectRequest,
  type SwiftHandler,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { isSameText, parseRealms, syncSignature } from '../sync-realms.ts';
import { deletionSet, syncedSet, writtenUs } from '../synced-writes.ts';

export function createContainerSync(services: SwiftServices): SwiftStage | undefined {
  if (services.swift.syncRealms.trim() === '') return undefined;
  const admit = createAdmit(services);
  return async (request, next) => {
    const auth = headerOf(request.exchange, 'x-container-sync-auth');
    const known = auth === undefined ? request : await admit(request, auth);
    const { method } = known.exchange;
    if (isContainerRequest(known) && (method === 'PUT' || method === 'POST' || method === 'DELETE'))
      return await noteContainer(known, next, services);
    if (isObjectRequest(known) && method === 'DELETE')
      return await noteDeletion(known, next, services);
    return await next(known);
  };
}

function createAdmit(services: SwiftServices) {
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
    const own = exchange.url.split('?', 1)[0] ?? '';
    const known = {
      method: exchange.method,
      timestamp: headerOf(exchange, 'x-timestamp') ?? '0',
      nonce,
      realmKey,
      userKey,
    };
    const isGood = [own, (exchange.prefix ?? '') + own].some((path) =>
      isSameText(signature, syncSignature({ ...known, path })),
    );
    return isGood ? { account, container } : undefined;
  };
  return async (request: SwiftRequest, auth: string): Promise<SwiftRequest> => {
    const grant = await check(request, auth);
    if (grant !== undefined)
      return { ...request, caller: granted(request.caller, grant), internal: { synced: true } };
    const text = 'X-Container-Sync-Auth header not valid; contact cluster operator for support.';
    throw refusal('unauthorized', text, {
      'WWW-Authenticate': 'SwiftContainerSync realm="unknown"',
    });
  };
}

/** Keeps the list of synced containers as the containers themselves say. */
async function noteContainer(
  request: SwiftRequest & { readonly path: { readonly container: string } },
  next: SwiftHandler,
  { objects }: SwiftServices,
): Promise<Reply> {
  const reply = await next(request);
  const { exchange, path } = request;
  const isNamed =
    exchange.headers['x-container-sync-to'] !== undefined ||
    exchange.headers['x-remove-container-sync-to'] !== undefined;
  const key = `${path.account}/${path.container}`;
  if (exchange.method === 'DELETE' && isSuccess(reply)) await removeNote(objects, syncedSet, key);
  else if (isNamed && isSuccess(reply)) {
    const container = await objects.containers.open(path.account, path.container);
    if (container.system[syncToField] === undefined) await removeNote(objects, syncedSet, key);
    else await writeNote(objects, syncedSet, { key: key, value: '0' });
  }
  return reply;
}

/** An object that is gone leaves nothing in the listing, so its deletion is noted first. */
async function noteDeletion(
  request: ObjectRequest,
  next: SwiftHandler,
  { objects, clock }: SwiftServices,
): Promise<Reply> {
  const { path } = request;
  const container = await openIfThere(request, objects);
  if (container?.system[syncToField] === undefined) return await next(request);
  const reply = await next(request);
  const timeUs = writtenUs(request) ?? clock.nowUs();
  if (isSuccess(reply))
    await writeNote(objects, deletionSet(container), { key: path.object, value: `${timeUs}` });
  return reply;
}

async function openIfThere(
  { path }: ObjectRequest,
  objects: SwiftServices['objects'],
): Promise<Container | undefined> {
  try {
    return await objects.containers.open(path.account, path.container);
  } catch {
    // What is wrong with it is for the operation itself to say.
    return undefined;
  }
}
