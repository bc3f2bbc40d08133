/** The source of a copy: the `x-amz-copy-source` header, its object, and its conditions. */
import type { StoredObject } from '../objects/index.ts';
import { pathAddress, type S3Address } from './address.ts';
import { failedReadCondition, judge, readConditions } from './conditions.ts';
import type { S3Request, S3Services } from './context.ts';
import { openObject, type Wanted } from './find-object.ts';
import { decodePercent } from './query.ts';
import { invalidArgument, type S3Failure } from './s3-failure.ts';
import { customerKeyOf } from './sse.ts';

export interface CopySource extends S3Address {
  readonly versionId: string | undefined;
}

export interface OpenedSource extends CopySource {
  readonly object: StoredObject;
}

/** The source may be read by the caller, and its conditions hold. */
export async function openCopySource(
  request: S3Request,
  services: S3Services,
): Promise<OpenedSource> {
  const source = parseCopySource(request.head.headers.get('x-amz-copy-source') ?? '');
  const customerKey = customerKeyOf(request.head, 'x-amz-copy-source-');
  const wanted: Wanted = {
    ...source,
    action: 's3:GetObject',
    versionAction: 's3:GetObjectVersion',
    ...(customerKey === undefined ? {} : { customerKey }),
  };
  const { object } = await openObject(wanted, asReader(request, source), services);
  const verdict = judge(readConditions(request.head, 'x-amz-copy-source-'), object.info);
  if (verdict !== 'go') throw failedReadCondition(request.head, object.info, 'x-amz-copy-source-');
  return { ...source, object };
}

/** `/bucket/key` or `bucket/key`, percent-encoded (a question mark of the key as well), perhaps with `?versionId=`. */
export function parseCopySource(header: string): CopySource {
  const question = header.indexOf('?');
  const path = question < 0 ? header : header.slice(0, question);
  const versionId = question < 0 ? undefined : versionOfQuery(header, question);
  // Some clients encode the slash between bucket and key as well.
  const encodedSlash = /^\/?[^/%]+%2F/i.test(path);
  const plain = encodedSlash ? path.replace(/%2F/i, '/') : path;
  const address = pathAddress(wellEncoded(plain.startsWith('/') ? plain : `/${plain}`));
  if (address.bucket === '') throw malformed(header, 'Invalid copy source bucket name');
  if (address.key === '') throw malformed(header, 'Invalid copy source object key');
  return { ...address, versionId: versionId === '' ? undefined : versionId };
}

function versionOfQuery(header: string, question: number): string {
  const version = /^\?versionId=([^&]*)$/.exec(header.slice(question));
  if (version === null)
    throw invalidArgument('x-amz-copy-source', header, 'Unsupported copy source parameter.');
  return decodePercent(version[1] ?? '');
}

/** A percent sign that begins no escape stands for itself: some clients send names as they are. */
function wellEncoded(path: string): string {
  return path.replace(/%(?![0-9A-Fa-f]{2})/g, '%25');
}

function malformed(header: string, message: string): S3Failure {
  return invalidArgument('x-amz-copy-source', header, message);
}

/** The request as one that reads the source: `x-amz-expected-bucket-owner` is about the target, the source has a header of its own. */
function asReader(request: S3Request, { bucket, key }: CopySource): S3Request {
  const headers = new Map(request.head.headers);
  headers.delete('x-amz-expected-bucket-owner');
  const expected = headers.get('x-amz-source-expected-bucket-owner');
  if (expected !== undefined) headers.set('x-amz-expected-bucket-owner', expected);
  return { ...request, bucket, key, head: { ...request.head, headers } };
}
