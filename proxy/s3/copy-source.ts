/** The source of a copy: the `x-amz-copy-source` header, its object, and its conditions. */
import type { StoredObject } from '../objects/index.ts';
import { openBucketNamed } from './access.ts';
import { pathAddress, type S3Address } from './address.ts';
import { judge, readConditions } from './conditions.ts';
import type { S3Request, S3Services } from './context.ts';
import { decodePercent } from './query.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';
import { checkVersionId } from './version-id.ts';
import { openWhole } from './whole-object.ts';

export interface CopySource extends S3Address {
  readonly object: StoredObject;
}

/** The source may be read by the caller, and its conditions hold. */
export async function openCopySource(
  request: S3Request,
  services: S3Services,
): Promise<CopySource> {
  const address = parseCopySource(request.head.headers.get('x-amz-copy-source') ?? '');
  const container = await openBucketNamed(address.bucket, withoutExpectedOwner(request), {
    services,
    need: 'get',
  });
  const object = await openWhole({ container, name: address.key }, request, services);
  const verdict = judge(readConditions(request.head, 'x-amz-copy-source-'), object.info);
  if (verdict !== 'go') throw new S3Failure('PreconditionFailed');
  return { ...address, object };
}

/** `/bucket/key` or `bucket/key`, percent-encoded, perhaps with `?versionId=`. */
export function parseCopySource(header: string): S3Address {
  const question = header.indexOf('?');
  const path = question < 0 ? header : header.slice(0, question);
  if (question >= 0) {
    const match = /^versionId=([^&]*)$/.exec(header.slice(question + 1));
    if (match === null) throw malformed(header);
    checkVersionId(decodePercent(match[1] ?? ''));
  }
  // Some clients encode the slash between bucket and key as well.
  const encodedSlash = /^\/?[^/%]+%2F/i.test(path);
  const plain = encodedSlash ? path.replace(/%2F/i, '/') : path;
  const address = pathAddress(plain.startsWith('/') ? plain : `/${plain}`);
  if (address.bucket === '' || address.key === '') throw malformed(header);
  return address;
}

function malformed(header: string): S3Failure {
  return invalidArgument(
    'x-amz-copy-source',
    header,
    'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
  );
}

/** `x-amz-expected-bucket-owner` is about the target; the source has a header of its own. */
function withoutExpectedOwner(request: S3Request): S3Request {
  const headers = new Map(request.head.headers);
  headers.delete('x-amz-expected-bucket-owner');
  const expected = headers.get('x-amz-source-expected-bucket-owner');
  if (expected !== undefined) headers.set('x-amz-expected-bucket-owner', expected);
  return { ...request, head: { ...request.head, headers } };
}
