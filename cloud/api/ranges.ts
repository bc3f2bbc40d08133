/** Byte ranges of a download (RFC 9110 §14): one range, or the whole. */
import type { IncomingHttpHeaders } from 'node:http';
import type { ApiReply } from './routes.ts';
import type { StreamSource } from './streams.ts';

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** `whole` also for what RFC 9110 says to ignore: other units, several ranges, nonsense. */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header?.trim() ?? '');
  if (match === null) return 'whole';
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? 'unsatisfiable' : { offset: sizeBytes - length, length };
  }
  const offset = Number(first);
  if (last !== '' && Number(last) < offset) return 'whole';
  if (offset >= sizeBytes) return 'unsatisfiable';
  const end = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  return { offset, length: end - offset + 1 };
}

export interface RangedBody {
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Also what `If-Range` is compared with. */
  readonly etag?: string;
  readonly headers?: Readonly<Record<string, string>>;
  open(range: ByteRange): ReturnType<StreamSource>;
}

/** The reply of a download: 200, 206 with what was asked for, or 416. */
export function rangedReply(headers: IncomingHttpHeaders, body: RangedBody): ApiReply {
  const conditional = headers['if-range'];
  const stale = conditional !== undefined && conditional !== body.etag;
  const range = stale ? 'whole' : parseRange(headers.range, body.sizeBytes);
  const common = {
    ...body.headers,
    'Accept-Ranges': 'bytes',
    ...(body.etag === undefined ? {} : { ETag: body.etag }),
  };
  if (range === 'unsatisfiable')
    return { status: 416, headers: { ...common, 'Content-Range': `bytes */${body.sizeBytes}` } };
  const { offset, length } =
    range === 'whole' ? { offset: 0, length: body.sizeBytes } : { ...range };
  const partial =
    range === 'whole'
      ? {}
      : { 'Content-Range': `bytes ${offset}-${offset + length - 1}/${body.sizeBytes}` };
  return {
    status: range === 'whole' ? 200 : 206,
    headers: {
      ...common,
      ...partial,
      'Content-Type': body.mediaType,
      'Content-Length': String(length),
    },
    stream: () => body.open({ offset, length }),
  };
}
