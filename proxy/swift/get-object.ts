/** GET and HEAD of an object. */
import { Buffer } from 'node:buffer';
import type { Reply } from '../exchange.ts';
import {
  type AssembledObject,
  assemble,
  type ObjectInfo,
  readSegments,
  type StoredObject,
} from '../objects/index.ts';
import { authorize } from './access.ts';
import { evaluateConditions, rangeApplies } from './conditional.ts';
import { openContainer } from './containers.ts';
import { writeMetadata } from './metadata.ts';
import { type ByteRange, parseRange } from './range.ts';
import { page } from './refusal.ts';
import { rawManifest } from './slo-manifest.ts';
import type { ObjectRequest, Operation, SwiftServices } from './swift-request.ts';
import { headerOf } from './swift-request.ts';
import { httpDate, timestamp, titleCase, toHeader } from './text.ts';

type HeaderMap = Record<string, string | number>;

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
  const manifest = info.system['x-object-manifest'];
  if (manifest !== undefined) headers['X-Object-Manifest'] = toHeader(manifest);
  if (info.kind === 'slo' || isMultipart(info)) headers['X-Static-Large-Object'] = 'True';
  return headers;
}

/**
 * Put together from parts by S3: clients of Swift must not take its ETag for the MD5 of its bytes, and they tell so by
 * its being a static large object, as what Swift's own S3 layer uploads in parts is.
 */
function isMultipart(info: ObjectInfo): boolean {
  return info.kind === 'multipart';
}

export const getObject: Operation<ObjectRequest> = async (request, services) => {
  const { path, query, caller } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'object');
  const ref = { container, name: path.object };
  const asManifest = query.get('multipart-manifest') === 'get';
  const stored = await services.objects.objects.get(ref);
  const { info } = stored;
  const headers = objectHeaders(info);
  if (isMultipart(info) && asManifest) {
    // Its parts are no objects: a client that wants to copy or delete segments has none to look after.
    headers['Content-Type'] = 'application/json; charset=utf-8';
    return { status: 200, headers: { ...headers, 'content-length': 2 }, body: Buffer.from('[]') };
  }
  if (info.kind === 'plain' || info.kind === 'multipart')
    return await sendObject(request, headers, info, stored.inline, stored);
  if (asManifest) return await sendManifest(request, headers, stored);
  const whole = await assembleFor(request, services, stored, path.account);
  headers.Etag = `"${whole.etag}"`;
  if (info.kind === 'slo') headers['X-Manifest-Etag'] = info.etag;
  return await sendObject(request, headers, { ...info, ...whole }, undefined, whole);
};

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
      mayRead: (container) => authorize(caller, container.account, container, 'object'),
    },
    stored,
  );
}

/** The manifest itself rather than what it stands for. */
async function sendManifest(
  request: ObjectRequest,
  headers: HeaderMap,
  stored: StoredObject,
): Promise<Reply> {
  const { info } = stored;
  if (info.kind === 'dlo') return await sendObject(request, headers, info, stored.inline, stored);
  if (request.query.get('format') === 'raw') {
    const body = Buffer.from(rawManifest(await readSegments(stored)));
    return { status: 200, headers: { ...headers, 'content-length': body.length }, body };
  }
  headers['Content-Type'] = 'application/json; charset=utf-8';
  return await sendObject(request, headers, info, stored.inline, stored);
}

interface Sendable {
  readonly size: number;
  readonly etag: string;
  readonly modifiedUs: number;
}

interface Readable {
  read(offset: number, length: number): AsyncIterable<Buffer>;
}

async function sendObject(
  { exchange }: ObjectRequest,
  headers: HeaderMap,
  object: Sendable,
  inline: Buffer | undefined,
  source: Readable,
): Promise<Reply> {
  const verdict = evaluateConditions(exchange, object);
  if (verdict === 304) return { status: 304, headers };
  if (verdict === 412) return page(412, { Etag: headers.Etag ?? '' });
  const { size } = object;
  if (exchange.method === 'HEAD') {
    headers['Content-Length'] = size;
    return { status: 200, headers };
  }
  const range = headerOf(exchange, 'range');
  const ranges =
    range !== undefined && rangeApplies(exchange, object) ? parseRange(range, size) : undefined;
  if (ranges === undefined) {
    headers['Content-Length'] = size;
    const body = inline ?? (size === 0 ? Buffer.alloc(0) : await primed(source.read(0, size)));
    return { status: 200, headers, body };
  }
  if (ranges.length === 0)
    return page(416, { 'Content-Range': `bytes */${size}`, 'Accept-Ranges': 'bytes' });
  const [first] = ranges;
  if (ranges.length === 1 && first !== undefined)
    return await sendRange(headers, size, first, source);
  return await sendRanges(headers, size, ranges, source);
}

async function sendRange(
  headers: HeaderMap,
  size: number,
  range: ByteRange,
  source: Readable,
): Promise<Reply> {
  const length = range.last - range.first + 1;
  headers['Content-Range'] = `bytes ${range.first}-${range.last}/${size}`;
  headers['Content-Length'] = length;
  return { status: 206, headers, body: await primed(source.read(range.first, length)) };
}

/** Several ranges, as `multipart/byteranges`. */
async function sendRanges(
  headers: HeaderMap,
  size: number,
  ranges: readonly ByteRange[],
  source: Readable,
): Promise<Reply> {
  const type = headers['Content-Type'] ?? '';
  // Any string that a part is unlikely to hold does: parts are found by their lengths.
  const boundary =
    `pileus-${size.toString(36)}-${ranges.map(({ first }) => first.toString(36)).join('-')}`.slice(
      0,
      70,
    );
  const heads = ranges.map(({ first, last }) =>
    Buffer.from(
      `--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: bytes ${first}-${last}/${size}\r\n\r\n`,
      'latin1',
    ),
  );
  const end = Buffer.from(`--${boundary}--`);
  const gap = Buffer.from('\r\n');
  let length = end.length;
  for (const [at, { first, last }] of ranges.entries())
    length += (heads[at]?.length ?? 0) + (last - first + 1) + gap.length;
  headers['Content-Type'] = `multipart/byteranges;boundary=${boundary}`;
  headers['Content-Length'] = length;
  async function* parts(): AsyncIterable<Buffer> {
    for (const [at, { first, last }] of ranges.entries()) {
      const head = heads[at];
      if (head !== undefined) yield head;
      yield* source.read(first, last - first + 1);
      yield gap;
    }
    yield end;
  }
  return { status: 206, headers, body: await primed(parts()) };
}

/**
 * The stream with its first chunk already read: what cannot be read at all is refused with a status, rather than
 * by cutting a started answer short.
 */
async function primed(source: AsyncIterable<Buffer>): Promise<AsyncIterable<Buffer>> {
  const iterator = source[Symbol.asyncIterator]();
  let next = await iterator.next();
  return (async function* () {
    try {
      while (next.done !== true) {
        yield next.value;
        next = await iterator.next();
      }
    } finally {
      await iterator.return?.();
    }
  })();
}
