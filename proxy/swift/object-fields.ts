/** What requests say about an object beside its bytes, and the answer to one that was stored. */
import type { Exchange, Reply } from '../exchange.ts';
import type { Fields, ObjectFields, ObjectInfo, ObjectKind, PutObject } from '../objects/index.ts';
import { guessContentType } from './content-types.ts';
import { isTrue, readMetadata, toFields } from './metadata.ts';
import { htmlType, refusal } from './refusal.ts';
import { headerOf } from './swift-request.ts';
import { decodePercent, fromHeader, httpDate } from './text.ts';

const nameBytesMax = 1024;
const keptHeaders = [
  'content-disposition',
  'content-encoding',
  'content-language',
  'cache-control',
  'expires',
  'x-robots-tag',
] as const;

export function created(
  info: ObjectInfo,
  etag: string,
  more: Readonly<Record<string, string | number>> = {},
): Reply {
  return {
    status: 201,
    headers: {
      'Content-Type': htmlType,
      Etag: etag,
      'Last-Modified': httpDate(info.modifiedUs),
      ...(info.versionId === undefined || info.versionId === 'null'
        ? {}
        : { 'X-Object-Version-Id': info.versionId }),
      ...more,
    },
    body: '',
  };
}

export function checkObjectName(name: string): void {
  const length = Buffer.byteLength(name);
  if (length > nameBytesMax)
    throw refusal('bad-request', `Object name length of ${length} longer than ${nameBytesMax}`);
}

export function requireLength(exchange: Exchange, bytesMax: number): void {
  const coding = headerOf(exchange, 'transfer-encoding');
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked')
      throw refusal(
        'not-implemented',
        'Unsupported Transfer-Coding header value specified in Transfer-Encoding header',
      );
  } else if (headerOf(exchange, 'content-length') === undefined)
    throw refusal('length-required', 'Missing Content-Length header.');
  if ((exchange.body.length ?? 0) > bytesMax)
    throw refusal('too-large', 'Your request is too large.');
}

/** `If-None-Match: *` is all that Swift knows for writes. */
export function readPutConditions(exchange: Exchange): PutObject['conditions'] {
  const noneMatch = headerOf(exchange, 'if-none-match');
  if (noneMatch === undefined) return undefined;
  if (noneMatch.trim() !== '*') throw refusal('bad-request', 'If-None-Match only supports *');
  return { ifNoneMatch: ['*'] };
}

export function kindOf(exchange: Exchange): ObjectKind {
  return headerOf(exchange, 'x-object-manifest') ? 'dlo' : 'plain';
}

/** Everything that a PUT says about the object beside its bytes. */
export function readFields(exchange: Exchange, name: string, nowUs: number): ObjectFields {
  const metadata = readMetadata(exchange, 'object');
  const manifest = readManifest(exchange);
  const deleteAtS = readDeleteAt(exchange, nowUs);
  return {
    contentType: readContentType(exchange, name),
    metadata: toFields(metadata.set),
    headers: readKept(exchange),
    ...(manifest === undefined ? {} : { system: manifest }),
    ...(deleteAtS === undefined ? {} : { deleteAtS }),
  };
}

export function readKept(exchange: Exchange): Readonly<Record<string, string>> {
  let kept: Record<string, string> | undefined;
  for (const name of keptHeaders) {
    const value = headerOf(exchange, name);
    if (value === undefined || value === '') continue;
    kept ??= {};
    kept[name] = fromHeader(value) ?? value;
  }
  return kept ?? noneKept;
}

const noneKept: Readonly<Record<string, string>> = Object.freeze({});

function readContentType(exchange: Exchange, name: string): string {
  const given = headerOf(exchange, 'content-type');
  if (!given || isTrue(headerOf(exchange, 'x-detect-content-type'))) return guessContentType(name);
  const type = fromHeader(given);
  if (type === undefined) throw refusal('bad-request', 'Invalid Content-Type');
  return type;
}

/** The system field of a dynamic large object. */
export function readManifest(exchange: Exchange): Fields | undefined {
  const manifest = headerOf(exchange, 'x-object-manifest');
  return manifest ? { 'x-object-manifest': checkDynamic(manifest) } : undefined;
}

// Ten digits: later than that is never.
const deleteAtMax = 9_999_999_999;
const integerForm = /^\s*[-+]?\d+\s*$/;

/** Seconds since 1970, from X-Delete-At or X-Delete-After (which comes first). */
export function readDeleteAt(exchange: Exchange, nowUs: number): number | undefined {
  const nowS = nowUs / 1_000_000;
  const after = headerOf(exchange, 'x-delete-after');
  if (after !== undefined && after !== '') {
    if (!integerForm.test(after)) throw refusal('bad-request', 'Non-integer X-Delete-After');
    const at = Math.min(deleteAtMax, Math.floor(nowS + Number(after)));
    if (at <= nowS) throw refusal('bad-request', 'X-Delete-After in past');
    return at;
  }
  const at = headerOf(exchange, 'x-delete-at');
  if (at === undefined || at === '') return undefined;
  if (!integerForm.test(at)) throw refusal('bad-request', 'Non-integer X-Delete-At');
  if (Number(at) <= nowS) throw refusal('bad-request', 'X-Delete-At in past');
  return Math.min(deleteAtMax, Number(at));
}

function checkDynamic(manifest: string): string {
  const text = decodePercent(manifest) ?? '';
  const cut = text.replace(/^\/+/, '').indexOf('/');
  if (cut <= 0 || /[?&]/.test(text))
    throw refusal('bad-request', 'X-Object-Manifest must be in the format container/prefix');
  return (fromHeader(manifest) ?? text).replace(/^\/+/, '');
}
