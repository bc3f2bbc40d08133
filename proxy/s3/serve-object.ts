/** What GetObject and HeadObject share: which part of the object is meant, and the headers that describe it. */
import type { Container, ObjectInfo } from '../objects/index.ts';
import { checksumHeaders } from './checksum-headers.ts';
import { failedReadCondition, judge, readConditions } from './conditions.ts';
import { lockHeaders } from './config/object-lock.ts';
import { tagsOf } from './config/tags.ts';
import type { S3Request } from './context.ts';
import { httpDate } from './http-date.ts';
import { expirationHeader } from './lifecycle/expiration-header.ts';
import { numberParameter } from './numbers.ts';
import { bytesOf, renderFields } from './object-fields.ts';
import { type ByteRange, parseRange } from './range.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';
import { encryptionHeaders } from './sse.ts';
import { standardClass, storageClassOf } from './storage-class.ts';
import { redirectField } from './write-fields.ts';

export interface Serving {
  readonly status: 200 | 206 | 304;
  readonly headers: Readonly<Record<string, string>>;
  readonly range: ByteRange;
}

/** Conditions first, then the range, as RFC 9110 §13.2.2 orders them. */
export function planServing(request: S3Request, container: Container, info: ObjectInfo): Serving {
  const verdict = judge(readConditions(request.head), info);
  if (verdict === 'failed') throw failedReadCondition(request.head, info);
  const modified = httpDate(info.modifiedUs);
  if (verdict === 'not-modified') {
    const headers = {
      etag: `"${info.etag}"`,
      'last-modified': modified,
      ...versionHeader(info),
    };
    return { status: 304, headers, range: { offset: 0, length: 0 } };
  }
  const wholeRange = { offset: 0, length: info.size };
  const part = partRange(request, info);
  const range = part ?? parseRange(request.head.headers.get('range'), info.size);
  const headers = { ...renderFields(info), ...ownHeaders(request, container, info) };
  headers['last-modified'] = modified;
  headers['accept-ranges'] = 'bytes';
  headers['content-length'] = String((range ?? wholeRange).length);
  if (range !== undefined && info.size > 0)
    headers['content-range'] =
      `bytes ${range.offset}-${range.offset + range.length - 1}/${info.size}`;
  if (part !== undefined && info.parts !== undefined)
    headers['x-amz-mp-parts-count'] = String(info.parts.length);
  if (request.head.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED' && !range)
    Object.assign(headers, checksumHeaders(info.checksums));
  override(headers, request);
  return { status: range === undefined ? 200 : 206, headers, range: range ?? wholeRange };
}

export function versionHeader({ versionId }: ObjectInfo): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId };
}

/** Of an object just written: while versioning is suspended there is none to speak of. */
export function writtenVersion(info: ObjectInfo): Record<string, string> {
  return info.versionId === 'null' ? {} : versionHeader(info);
}

/** What only S3 tells of an object. */
function ownHeaders(
  request: S3Request,
  container: Container,
  info: ObjectInfo,
): Record<string, string> {
  const { system } = info;
  const headers: Record<string, string> = versionHeader(info);
  const expiration = expirationHeader(container, info, request);
  if (expiration !== undefined) headers['x-amz-expiration'] = expiration;
  for (const _ in system) {
    Object.assign(headers, encryptionHeaders(system), lockHeaders(system));
    const tags = tagsOf(system).length;
    if (tags > 0) headers['x-amz-tagging-count'] = String(tags);
    const storageClass = storageClassOf(system);
    if (storageClass !== standardClass) headers['x-amz-storage-class'] = storageClass;
    const redirect = system[redirectField];
    if (redirect !== undefined) headers['x-amz-website-redirect-location'] = bytesOf(redirect);
    break;
  }
  return headers;
}

function partRange(request: S3Request, info: ObjectInfo): ByteRange | undefined {
  const number = numberParameter(request.query, { name: 'partNumber', min: 1, max: 10_000 });
  if (number === undefined) return undefined;
  if (request.head.headers.has('range'))
    throw new S3Failure('InvalidRequest', {
      message: 'Cannot specify both Range header and partNumber query parameter',
    });
  const parts = info.parts ?? [{ size: info.size }];
  const part = parts[number - 1];
  if (part === undefined)
    throw new S3Failure('InvalidPartNumber', {
      details: { ActualPartCount: String(parts.length), PartNumberRequested: String(number) },
    });
  const offset = parts.slice(0, number - 1).reduce((sum, before) => sum + before.size, 0);
  return { offset, length: part.size };
}

const overridable = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
] as const;

/** `response-content-type=…` and the like, for signed requests only. */
function override(headers: Record<string, string>, request: S3Request): void {
  if (request.query.size === 0) return;
  for (const name of overridable) {
    const value = request.query.get(`response-${name}`);
    if (value === undefined) continue;
    if (request.caller === undefined)
      throw new S3Failure('InvalidRequest', {
        message: 'Request specific response headers cannot be used for anonymous GET requests.',
      });
    if (/[\r\n\0]/.test(value))
      throw invalidArgument(`response-${name}`, value, 'Header value cannot contain line breaks.');
    headers[name] = bytesOf(value);
  }
}
