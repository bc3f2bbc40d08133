/** Who may do what with a bucket. The rules are those of the Swift dialect, access lists included: one object, one truth. */
import { isFailure } from '#common';
import type { Container } from '../objects/index.ts';
import { authorize, isOwnAccount, isOwner } from '../swift/access.ts';
import { SwiftRefusal } from '../swift/refusal.ts';
import type { Caller, S3Request, S3Services } from './context.ts';
import { S3Failure } from './s3-failure.ts';

/** `list`: see the names in a bucket; `get`: read an object; `write`: change objects; `own`: change the bucket. */
export type Need = 'list' | 'get' | 'write' | 'own';

const swiftNeeds = { list: 'listing', get: 'object', write: 'write', own: 'owner' } as const;

/** The bucket that the request addresses, if the caller may do this with it. */
export function openBucket(
  request: S3Request,
  services: S3Services,
  need: Need,
): Promise<Container> {
  return openBucketNamed(request.bucket, request, { services, need });
}

export interface OpenNamed {
  readonly services: S3Services;
  readonly need: Need;
}

export async function openBucketNamed(
  bucket: string,
  request: S3Request,
  { services, need }: OpenNamed,
): Promise<Container> {
  const { caller } = request;
  const container = await resolve(bucket, caller, services);
  const expected = request.head.headers.get('x-amz-expected-bucket-owner');
  const strange = expected !== undefined && expected !== ownerId(container.account);
  if (strange || !mayUse(container, caller, need)) throw new S3Failure('AccessDenied');
  return container;
}

async function resolve(
  bucket: string,
  caller: Caller | undefined,
  services: S3Services,
): Promise<Container> {
  try {
    return await services.objects.containers.resolve(bucket, caller?.account);
  } catch (error) {
    if (isFailure(error, 'missing') || isFailure(error, 'invalid'))
      throw new S3Failure('NoSuchBucket', { details: { BucketName: bucket }, cause: error });
    throw error;
  }
}

/** A web page's address, which referrer rules look at, is not looked at: a signed request comes from no page. */
function mayUse(container: Container, caller: Caller | undefined, need: Need): boolean {
  const who = { identity: caller?.identity, referer: undefined };
  try {
    authorize(who, container.account, container, swiftNeeds[need]);
    return true;
  } catch (error) {
    if (error instanceof SwiftRefusal) return false;
    throw error;
  }
}

export function checkMayGet(container: Container, caller: Caller | undefined): void {
  if (!mayUse(container, caller, 'get')) throw new S3Failure('AccessDenied');
}

/** Whether the caller may make buckets in its own project (`own`), or see them (`list`). */
export function mayInProject({ identity, account }: Caller, need: 'own' | 'list'): boolean {
  const who = { identity, referer: undefined };
  if (isOwner(who, account)) return true;
  return need === 'list' && isOwnAccount(who, account) && identity.roles.includes('reader');
}

/** The caller of an operation that nobody may do unsigned. */
export function signedCaller(request: S3Request): Caller {
  if (request.caller === undefined) throw new S3Failure('AccessDenied');
  return request.caller;
}

/** An owner's canonical id is the project's. */
export function ownerId(account: string): string {
  return account.replace(/^AUTH_/, '');
}
