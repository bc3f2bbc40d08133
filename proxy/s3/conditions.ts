/** Conditional requests (RFC 9110 §13): on reads decided here, on writes handed to the service, which decides atomically. */
import { isFailure } from '#common';
import type { ObjectInfo, WriteConditions } from '../objects/index.ts';
import { storedEtag } from './manifest-etag.ts';
import type { RequestHead } from './request-head.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';
import { parseHttpDate } from './sigv4/request-time.ts';

export interface ReadConditions {
  readonly ifMatch: readonly string[] | undefined;
  readonly ifNoneMatch: readonly string[] | undefined;
  readonly ifModifiedSinceS: number | undefined;
  readonly ifUnmodifiedSinceS: number | undefined;
}

/** Reads `If-…`, or with a prefix `x-amz-copy-source-if-…`. */
export function readConditions(head: RequestHead, prefix = ''): ReadConditions {
  return {
    ifMatch: parseEtags(head.headers.get(`${prefix}if-match`)),
    ifNoneMatch: parseEtags(head.headers.get(`${prefix}if-none-match`)),
    ifModifiedSinceS: parseSeconds(head.headers.get(`${prefix}if-modified-since`)),
    ifUnmodifiedSinceS: parseSeconds(head.headers.get(`${prefix}if-unmodified-since`)),
  };
}

/** What a read's conditions say of an object: go on, 412 or 304. */
export function judge(
  conditions: ReadConditions,
  info: Pick<ObjectInfo, 'etag' | 'modifiedUs'>,
): 'go' | 'failed' | 'not-modified' {
  const { ifMatch, ifNoneMatch, ifModifiedSinceS, ifUnmodifiedSinceS } = conditions;
  const modifiedS = Math.floor(info.modifiedUs / 1_000_000);
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, info.etag)) return 'failed';
  } else if (ifUnmodifiedSinceS !== undefined && modifiedS > ifUnmodifiedSinceS) {
    return 'failed';
  }
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, info.etag) ? 'not-modified' : 'go';
  return ifModifiedSinceS !== undefined && modifiedS <= ifModifiedSinceS ? 'not-modified' : 'go';
}

/** 412, naming the condition that an object did not meet. */
export function failedReadCondition(
  head: RequestHead,
  info: Pick<ObjectInfo, 'etag' | 'modifiedUs'>,
  prefix = '',
): S3Failure {
  const conditions = readConditions(head, prefix);
  const { ifMatch, ifUnmodifiedSinceS } = conditions;
  const only = { ifNoneMatch: undefined, ifModifiedSinceS: undefined };
  const positive = judge({ ifMatch, ifUnmodifiedSinceS, ...only }, info) === 'failed';
  const etags = positive ? ifMatch : conditions.ifNoneMatch;
  const names = positive
    ? ['If-Match', 'If-Unmodified-Since']
    : ['If-None-Match', 'If-Modified-Since'];
  const name = (etags === undefined ? names[1] : names[0]) ?? '';
  const Condition = prefix === '' ? name : prefix + name;
  return new S3Failure('PreconditionFailed', { details: { Condition } });
}

function matches(etags: readonly string[], etag: string): boolean {
  return etags.includes('*') || etags.includes(etag);
}

const etagsMax = 100;

/** ETags without quotes and weakness; undefined for no header. */
export function parseEtags(header: string | undefined): readonly string[] | undefined {
  if (header === undefined) return undefined;
  const etags = header.split(',', etagsMax).map(bareEtag);
  return etags.filter((etag) => etag !== '');
}

function parseStored(header: string | undefined): readonly string[] | undefined {
  return parseEtags(header)?.map(storedEtag);
}

export function bareEtag(text: string): string {
  return text
    .trim()
    .replace(/^W\//, '')
    .replace(/^"(.*)"$/, '$1');
}

export function parseSeconds(header: string | undefined): number | undefined {
  const ms = header === undefined ? undefined : (parseHttpDate(header) ?? isoMs(header));
  return ms === undefined ? undefined : Math.floor(ms / 1000);
}

function isoMs(text: string): number | undefined {
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** The conditions of a deletion; undefined when it has none. */
export function deleteConditions(head: RequestHead): WriteConditions | undefined {
  const ifMatch = parseStored(head.headers.get('if-match'));
  const size = head.headers.get('x-amz-if-match-size');
  const modified = head.headers.get('x-amz-if-match-last-modified-time');
  const ifModifiedAtS = parseSeconds(modified);
  if (ifMatch === undefined && size === undefined && modified === undefined) return undefined;
  if (size !== undefined && !/^\d{1,15}$/.test(size))
    throw invalidArgument('x-amz-if-match-size', size, 'A whole number is expected.');
  if (modified !== undefined && ifModifiedAtS === undefined)
    throw invalidArgument('x-amz-if-match-last-modified-time', modified, 'A time is expected.');
  return {
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(size === undefined ? {} : { ifSize: Number(size) }),
    ...(ifModifiedAtS === undefined ? {} : { ifModifiedAtS }),
  };
}

/** The conditions of a write; undefined when it has none. */
export function writeConditions(head: RequestHead): WriteConditions | undefined {
  const ifMatch = parseStored(head.headers.get('if-match'));
  const ifNoneMatch = parseStored(head.headers.get('if-none-match'));
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  return {
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
  };
}

/** Runs a write and names the condition that it failed on. `If-Match` on nothing is the service's `object-missing`: 404. */
export async function conditionally<T>(
  write: () => Promise<T>,
  conditions: WriteConditions | undefined,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!isFailure(error, 'conflict') || error.code !== 'condition-failed') throw error;
    const condition = conditions?.ifMatch === undefined ? 'If-None-Match' : 'If-Match';
    throw new S3Failure('PreconditionFailed', { details: { Condition: condition }, cause: error });
  }
}
