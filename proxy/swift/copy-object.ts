/** COPY, and PUT with X-Copy-From: the bytes that a GET of the source would return, written anew under another name. */
import type { Exchange, Reply } from '../exchange.ts';
import type {
  ObjectFields,
  ObjectInfo,
  ObjectRef,
  PutOutcome,
  StoredObject,
} from '../objects/index.ts';
import { authorize } from './access.ts';
import { evaluateConditions } from './conditional.ts';
import { openContainer } from './containers.ts';
import { assembleFor } from './get-object.ts';
import { isTrue, readMetadata, toFields, writeMetadata } from './metadata.ts';
import { checkObjectName, created, readDeleteAt, readKept } from './object-fields.ts';
import { page, refusal } from './refusal.ts';
import {
  headerOf,
  type ObjectRequest,
  type Operation,
  type SwiftServices,
} from './swift-request.ts';
import { decodePercent, encodePercent, fromHeader, httpDate } from './text.ts';

export interface CopySource {
  readonly account: string;
  readonly container: string;
  readonly object: string;
}

/** `container/object`, percent-encoded, as X-Copy-From and Destination have it. */
export function parseObjectPath(
  header: string,
  value: string,
): { readonly container: string; readonly object: string } {
  const path = decodePercent(value)?.replace(/^\//, '');
  const cut = path?.indexOf('/') ?? -1;
  if (path === undefined || cut <= 0 || cut === path.length - 1)
    throw refusal(
      'precondition-failed',
      `${header} header must be of the form <container name>/<object name>`,
    );
  return { container: path.slice(0, cut), object: path.slice(cut + 1) };
}

export const copyObject: Operation<ObjectRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  const destination = headerOf(exchange, 'destination');
  if (!destination) throw refusal('precondition-failed', 'Destination header required');
  const given = headerOf(exchange, 'destination-account');
  const account = given === undefined ? path.account : (decodePercent(given) ?? '');
  const target = parseObjectPath('Destination', destination);
  const container = await openContainer(request, services, account, target.container);
  authorize(caller, account, container, 'write');
  checkObjectName(target.object);
  return await copyInto(request, services, { container, name: target.object }, path);
};

export async function copyInto(
  request: ObjectRequest,
  services: SwiftServices,
  target: ObjectRef,
  source: CopySource,
): Promise<Reply> {
  const { exchange, caller, query } = request;
  const container = await openContainer(request, services, source.account, source.container);
  authorize(caller, source.account, container, 'object');
  const stored = await services.objects.objects.get({ container, name: source.object });
  const asManifest = query.get('multipart-manifest') === 'get';
  const whole = asManifest
    ? undefined
    : await assembleFor(request, services, stored, source.account);
  const state = { etag: whole?.etag ?? stored.info.etag, modifiedUs: stored.info.modifiedUs };
  const verdict = evaluateConditions(exchange, state);
  if (verdict !== undefined) return verdict === 304 ? { status: 304, headers: {} } : page(412);
  if ((whole?.size ?? 0) > services.settings.objectBytesMax) throw refusal('too-large');
  const fields = mergeFields(exchange, stored.info, services.clock.nowUs(), asManifest);
  const isPart = stored.info.kind === 'slo' || stored.info.kind === 'dlo';
  const outcome: PutOutcome =
    whole !== undefined && isPart
      ? await services.objects.objects.put({
          ...target,
          ...fields,
          body: whole.read(0, whole.size),
          length: whole.size,
          mode: 'available',
        })
      : await services.objects.objects.copy({ source: stored, target, fields, mode: 'available' });
  return created(outcome.info, outcome.info.etag, copiedHeaders(source, stored, outcome.info));
}

/** The source's fields with the request's over them, or (X-Fresh-Metadata) the request's alone. */
function mergeFields(
  exchange: Exchange,
  source: ObjectInfo,
  nowUs: number,
  asManifest: boolean,
): ObjectFields {
  const given = readMetadata(exchange, 'object').set;
  const fresh = isTrue(headerOf(exchange, 'x-fresh-metadata'));
  const type = headerOf(exchange, 'content-type');
  const deleteAtS = readDeleteAt(exchange, nowUs) ?? (fresh ? undefined : source.deleteAtS);
  const kept: Partial<ObjectInfo> = fresh ? {} : source;
  return {
    contentType: (type ? fromHeader(type) : undefined) ?? source.contentType,
    metadata: toFields([...Object.entries(kept.metadata ?? {}), ...given]),
    headers: { ...kept.headers, ...readKept(exchange) },
    system: asManifest || source.kind === 'plain' ? source.system : {},
    checksums: source.kind === 'plain' ? source.checksums : {},
    ...(deleteAtS === undefined ? {} : { deleteAtS }),
  };
}

function copiedHeaders(
  source: CopySource,
  stored: StoredObject,
  info: ObjectInfo,
): Record<string, string | number> {
  const headers: Record<string, string | number> = {
    'X-Copied-From': encodePercent(`${source.container}/${source.object}`),
    'X-Copied-From-Account': encodePercent(source.account),
    'X-Copied-From-Last-Modified': httpDate(stored.info.modifiedUs),
  };
  writeMetadata(headers, 'object', info.metadata);
  return headers;
}
