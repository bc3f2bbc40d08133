/**
 * The body of a request as the service stores it: framing removed, everything the client vouched for checked.
 *
 * 1. Learn the length and the checksums that the headers promise.
 * 2. Hand the data on as it comes, hashing on the way.
 * 3. At its end compare; a mismatch throws inside the stream, so that nothing becomes visible.
 */
import { createHash, hash } from 'node:crypto';
import type { S3Request } from '../context.ts';
import type { RequestHead } from '../request-head.ts';
import { S3Failure } from '../s3-failure.ts';
import { AwsChunkedDecoder, decodeAwsChunked } from './aws-chunked.ts';
import {
  type ChecksumAlgorithm,
  type RunningChecksum,
  startChecksum,
} from './checksum-algorithms.ts';
import { ChunkVerifier } from './chunk-signature.ts';
import {
  checkedValue,
  type DeclaredChecksum,
  declaredChecksum,
  headerOf,
} from './declared-checksum.ts';

export interface OpenedBody {
  readonly body: AsyncIterable<Buffer>;
  /** Undefined when the client did not say. */
  readonly length: number | undefined;
  /** Hex, from Content-MD5. */
  readonly md5: string | undefined;
  /** The alternative to `body` for one that is small, and not framed: all of it, checked. */
  readonly whole?: () => Promise<Buffer>;
  /** Of the checksum that came or comes with it. */
  readonly algorithm: ChecksumAlgorithm | undefined;
  /** By algorithm, base64; only after the body's end. */
  checksums(): Readonly<Record<string, string>>;
}

export const bodyBytesMax = 5 * 1024 ** 3;
/** Bodies up to this are taken in one piece, which spares them streams. */
const wholeBytesMax = 16_384;

/** `fallback` is computed where the client sends no checksum. */
export async function openBody(
  request: S3Request,
  fallback?: ChecksumAlgorithm,
): Promise<OpenedBody> {
  const { head, payload } = request;
  const decoder = payload.kind === 'chunked' ? chunkedDecoder(request) : undefined;
  const length = decoder === undefined ? contentLength(request) : decodedLength(request);
  if (length !== undefined && length > bodyBytesMax)
    throw new S3Failure('EntityTooLarge', {
      details: { ProposedSize: String(length), MaxSizeAllowed: String(bodyBytesMax) },
    });
  const md5 = contentMd5(head.headers.get('content-md5'));
  const declared = declaredChecksum(head, payload.kind === 'chunked' && payload.trailers);
  const data = decoder === undefined ? request.wire : decodeAwsChunked(request.wire, decoder);
  const summed = declared?.algorithm ?? fallback;
  const isSmall = decoder === undefined && length !== undefined && length <= wholeBytesMax;
  const take = isSmall ? request.whole : undefined;
  if (payload.kind !== 'sha256' && summed === undefined) {
    const whole = take === undefined ? {} : { whole: () => take(wholeBytesMax) };
    return { body: data, length, md5, algorithm: undefined, checksums: () => ({}), ...whole };
  }
  const running = summed === undefined ? undefined : await startChecksum(summed);
  const checks: Checks = {
    sha256: payload.kind === 'sha256' ? payload.hash : undefined,
    declared,
    fallback,
    running,
    decoder,
    found: {},
  };
  const algorithm = declared?.algorithm;
  const whole = take === undefined ? {} : { whole: () => checkedWhole(take, checks) };
  const body = checked(data, checks);
  return { body, length, md5, algorithm, checksums: () => checks.found, ...whole };
}

async function checkedWhole(
  take: (maxBytes: number) => Promise<Buffer>,
  checks: Checks,
): Promise<Buffer> {
  const body = await take(wholeBytesMax);
  checks.running?.update(body);
  compare(checks, checks.sha256 === undefined ? undefined : hash('sha256', body));
  return body;
}

/** The same for a body that came some other way than as the request's: what its headers promise is checked. */
export async function checkedSums(
  head: RequestHead,
  data: AsyncIterable<Buffer>,
  fallback?: ChecksumAlgorithm,
): Promise<Omit<OpenedBody, 'length' | 'algorithm'>> {
  const md5 = contentMd5(head.headers.get('content-md5'));
  const declared = declaredChecksum(head, false);
  const summed = declared?.algorithm ?? fallback;
  if (summed === undefined) return { body: data, md5, checksums: () => ({}) };
  const running = await startChecksum(summed);
  const only = { sha256: undefined, decoder: undefined };
  const checks: Checks = { ...only, declared, fallback, running, found: {} };
  return { body: checked(data, checks), md5, checksums: () => checks.found };
}

interface Checks {
  readonly sha256: string | undefined;
  readonly declared: DeclaredChecksum | undefined;
  readonly fallback: ChecksumAlgorithm | undefined;
  readonly running: RunningChecksum | undefined;
  readonly decoder: AwsChunkedDecoder | undefined;
  found: Readonly<Record<string, string>>;
}

async function* checked(
  data: AsyncIterable<Buffer>,
  checks: Checks,
): AsyncGenerator<Buffer, void, undefined> {
  const digest = checks.sha256 === undefined ? undefined : createHash('sha256');
  for await (const piece of data) {
    digest?.update(piece);
    checks.running?.update(piece);
    yield piece;
  }
  compare(checks, digest?.digest('hex'));
}

/** Once all of the body is there. */
function compare(checks: Checks, sha256: string | undefined): void {
  if (sha256 !== checks.sha256)
    throw new S3Failure('XAmzContentSHA256Mismatch', {
      details: { ClientComputedContentSHA256: checks.sha256 ?? '' },
    });
  const { declared, fallback, running } = checks;
  if (running === undefined) return;
  if (declared !== undefined) checks.found = compareChecksum(declared, running, checks.decoder);
  else if (fallback !== undefined)
    checks.found = { [fallback]: running.digest().toString('base64') };
}

function compareChecksum(
  declared: DeclaredChecksum,
  running: RunningChecksum,
  decoder: AwsChunkedDecoder | undefined,
): Readonly<Record<string, string>> {
  const { algorithm } = declared;
  const trailer = decoder?.trailers.get(headerOf(algorithm));
  const promised =
    declared.value ?? (trailer && checkedValue(algorithm, trailer, 'trailing header'));
  if (promised === undefined) throw new S3Failure('MalformedTrailerError');
  const computed = running.digest().toString('base64');
  if (computed !== promised)
    throw new S3Failure('BadDigest', {
      message: `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
    });
  return { [algorithm]: computed };
}

function chunkedDecoder(request: S3Request): AwsChunkedDecoder {
  const { payload } = request;
  if (payload.kind !== 'chunked') throw new S3Failure('InternalError');
  return new AwsChunkedDecoder({
    decodedLength: decodedLength(request),
    hasTrailers: payload.trailers,
    ...(payload.signing === undefined ? {} : { verifier: new ChunkVerifier(payload.signing) }),
  });
}

function decodedLength(request: S3Request): number {
  const text = request.head.headers.get('x-amz-decoded-content-length');
  if (text === undefined) throw new S3Failure('MissingContentLength');
  return wholeNumber('x-amz-decoded-content-length', text);
}

function contentLength(request: S3Request): number | undefined {
  const text = request.head.headers.get('content-length');
  if (text !== undefined) return wholeNumber('Content-Length', text);
  if (request.head.headers.has('transfer-encoding')) return undefined;
  // A request without either header has no body (RFC 9112 §6.3). Who puts an object's bytes must say so; who makes a bucket or a copy need not.
  const puts = request.head.method === 'PUT' && request.key !== '';
  if (puts && !request.head.headers.has('x-amz-copy-source'))
    throw new S3Failure('MissingContentLength');
  return 0;
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new S3Failure('InvalidArgument', {
      message: `${name} must be a whole number.`,
      details: { ArgumentName: name, ArgumentValue: text },
    });
  return Number(text);
}

/** Base64 of 16 bytes, as hex. */
function contentMd5(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const raw = Buffer.from(value, 'base64');
  if (raw.length !== 16 || raw.toString('base64') !== value.trim())
    throw new S3Failure('InvalidDigest', {
      message: 'The Content-MD5 you specified was invalid.',
      details: { 'Content-MD5': value },
    });
  return raw.toString('hex');
}
