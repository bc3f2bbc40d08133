/** GET and HEAD of an object. */
import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import type { Reply } from '../exchange.ts';
import {
  type AssembledObject,
  assemble,
  isDynamic,
  linkAccountField,
  linkBytesField,
  linkEtagField,
  linkTargetField,
  type ObjectInfo,
  readSegments,
  type StoredObject,
  segmentBounds,
} from '../objects/index.ts';
import { authorize } from './access.ts';
import { learnRight } from './account-acl.ts';
import { type FoundObject, findObject } from './find-object.ts';
import { writeMetadata } from './metadata.ts';
import { locationOf } from './object-path.ts';
import { page, refusal } from './refusal.ts';
import {
  type HeaderMap,
  type Readable,
  type SendOptions,
  sendObject,
  sendRange,
} from './send-object.ts';
import { rawManifest } from './slo-manifest.ts';
import type { ObjectRequest, Operation, SwiftServices } from './swift-request.ts';
import { encodePercent, httpDate, timestamp, titleCase, toHeader } from './text.ts';
import { writeVersion } from './version-id.ts';

export function objectHeaders(info: ObjectInfo): HeaderMap {
  const headers: HeaderMap = {
    'Content-Type': toHeader(info.contentType),
    Etag: isMultipart(info) ? `"${info.etag}"` : info.etag,
    'Last-Modified': httpDate(info.modifiedUs),
    'X-Timestamp': timestamp(info.modifiedUs),
    'Accept-Ranges': 'bytes',
  };
  for (const name in info.headers) {
    const value = info.headers[name];
    if (value !== undefined) headers[titleCase(name)] = toHeader(value);
  }
  writeMetadata(headers, 'object', info.metadata);
  if (info.deleteAtS !== undefined) headers['X-Delete-At'] = info.deleteAtS;
  if (isDynamic(info))
    headers['X-Object-Manifest'] = toHeader(info.system['x-object-manifest'] ?? '');
  if (info.kind === 'slo' || isMultipart(info)) headers['X-Static-Large-Object'] = 'True';
  if (info.kind === 'symlink') writeLink(headers, info);
  return headers;
}

const linkHeaders = [
  ['X-Symlink-Target', linkTargetField],
  ['X-Symlink-Target-Account', linkAccountField],
  ['X-Symlink-Target-Etag', linkEtagField],
  ['X-Symlink-Target-Bytes', linkBytesField],
] as const;

function writeLink(headers: HeaderMap, { system }: ObjectInfo): void {
  for (const [header, field] of linkHeaders) {
    const value = system[field];
    if (value !== undefined) headers[header] = encodePercent(value);
  }
}

/**
 * Put together from parts by S3: clients of Swift must not take its ETag for the MD5 of its bytes, and they tell so by
 * its being a static large object, as what Swift's own S3 layer uploads in parts is.
 */
function isMultipart(info: ObjectInfo): boolean {
  return info.kind === 'multipart';
}

export const getObject: Operation<ObjectRequest> = async (request, services) => {
  const found = await findObject(request, services);
  const reply = await answer(request, services, found);
  if (found.at === undefined) return reply;
  return {
    ...reply,
    headers: {
      ...reply.headers,
      'Content-Location': locationOf(found.at, request.exchange.prefix),
    },
  };
};

async function answer(
  request: ObjectRequest,
  services: SwiftServices,
  { stored, at, container }: FoundObject,
): Promise<Reply> {
  const { exchange, path, query } = request;
  const { info } = stored;
  const headers = objectHeaders(info);
  if (at === undefined) writeVersion(headers, request, container, info);
  else if (info.versionId !== undefined) headers['X-Object-Version-Id'] = info.versionId;
  const asManifest = query.get('multipart-manifest') === 'get';
  if (isMultipart(info) && asManifest) {
    // Its parts are no objects: a client that wants to copy or delete segments has none to look after.
    headers['Content-Type'] = 'application/json; charset=utf-8';
    return { status: 200, headers: { ...headers, 'content-length': 2 }, body: Buffer.from('[]') };
  }
  const part = query.get('part-number');
  if (part !== undefined && info.parts !== undefined) {
    const lengths = info.parts.map(({ size }) => size);
    return await sendPart(part, headers, lengths, { size: info.size, source: stored });
  }
  if (info.kind !== 'slo' && !isDynamic(info))
    return await sendObject(exchange, own(headers, stored));
  if (asManifest) return await sendManifest(request, headers, stored);
  const whole = await assembleFor(request, services, stored, at?.account ?? path.account);
  headers.Etag = `"${whole.etag}"`;
  if (info.kind === 'slo') headers['X-Manifest-Etag'] = info.etag;
  const object = { ...info, ...whole };
  if (part !== undefined && info.kind === 'slo') {
    const lengths = (await readSegments(stored)).map((segment) => segmentBounds(segment).length);
    return await sendPart(part, headers, lengths, { size: whole.size, source: whole });
  }
  return await sendObject(exchange, {
    headers,
    object,
    source: whole,
    oneRange: info.kind !== 'slo',
  });
}

/** What the object itself holds. */
function own(headers: HeaderMap, stored: StoredObject): SendOptions {
  return { headers, object: stored.info, source: stored, inline: stored.inline };
}

export async function assembleFor(
  { caller }: Pick<ObjectRequest, 'caller'>,
  services: SwiftServices,
  stored: StoredObject,
  account: string,
): Promise<AssembledObject> {
  return await assemble(
    {
      service: services.objects,
      account,
      mayRead: async (container) => {
        await learnRight(caller, container.account, services);
        authorize(caller, container.account, container, 'object');
      },
    },
    stored,
  );
}

/** The manifest itself rather than what it stands for. */
async function sendManifest(
  { exchange, query }: ObjectRequest,
  headers: HeaderMap,
  stored: StoredObject,
): Promise<Reply> {
  if (isDynamic(stored.info)) return await sendObject(exchange, own(headers, stored));
  if (query.get('format') !== 'raw') {
    headers['Content-Type'] = 'application/json; charset=utf-8';
    return await sendObject(exchange, own(headers, stored));
  }
  const body = Buffer.from(rawManifest(await readSegments(stored)));
  headers.Etag = hash('md5', body, 'hex');
  return { status: 200, headers: { ...headers, 'Content-Length': body.length }, body };
}

/** One segment of a static large object, or one part of an object that S3 put together, by its number. */
async function sendPart(
  text: string,
  headers: HeaderMap,
  lengths: readonly number[],
  { size, source }: { readonly size: number; readonly source: Readable },
): Promise<Reply> {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 10_000)
    throw refusal('bad-request', 'Part number must be an integer between 1 and 10000');
  headers['X-Parts-Count'] = lengths.length;
  const length = lengths[number - 1];
  if (length === undefined) {
    const range = `bytes */${size}`;
    return page(416, { 'Content-Range': range, 'X-Parts-Count': lengths.length });
  }
  const first = lengths.slice(0, number - 1).reduce((sum, before) => sum + before, 0);
  return await sendRange(headers, size, { first, last: first + length - 1 }, source);
}
