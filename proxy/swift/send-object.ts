/** An object as an answer: its state against the request's conditions, and the ranges that are asked for. */
import { Buffer } from 'node:buffer';
import type { Exchange, Reply } from '../exchange.ts';
import { evaluateConditions, rangeApplies } from './conditional.ts';
import { type ByteRange, parseRange } from './range.ts';
import { page } from './refusal.ts';
import { headerOf } from './swift-request.ts';

export type HeaderMap = Record<string, string | number>;

export interface Sendable {
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedUs: number;
}

export interface Readable {
  read(offset: number, length: number): AsyncIterable<Buffer>;
}

export interface SendOptions {
  readonly headers: HeaderMap;
  readonly object: Sendable;
  readonly source: Readable;
  /** The whole of it, when it is at hand. */
  readonly inline?: Buffer | undefined;
  /** Put together while it is read, so that several ranges at once are not to be had. */
  readonly oneRange?: boolean;
}

export async function sendObject(exchange: Exchange, options: SendOptions): Promise<Reply> {
  const { headers, object, source, inline } = options;
  const verdict = evaluateConditions(exchange, object);
  if (verdict === 304) return { status: 304, headers };
  if (verdict === 412) return { status: 412, headers, body: '' };
  const { size } = object;
  if (exchange.method === 'HEAD') {
    headers['Content-Length'] = size;
    return { status: 200, headers };
  }
  const range = headerOf(exchange, 'range');
  let ranges =
    range !== undefined && rangeApplies(exchange, object) ? parseRange(range, size) : undefined;
  if (options.oneRange === true && ranges !== undefined && ranges.length > 1) ranges = undefined;
  if (ranges === undefined) {
    headers['Content-Length'] = size;
    const body = inline ?? (size === 0 ? Buffer.alloc(0) : await primed(source.read(0, size)));
    return { status: 200, headers, body };
  }
  if (ranges.length === 0) return page(416, { ...headers, 'Content-Range': `bytes */${size}` });
  const [first] = ranges;
  if (ranges.length === 1 && first !== undefined)
    return await sendRange(headers, size, first, source);
  return await sendRanges(headers, size, ranges, source);
}

export async function sendRange(
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
