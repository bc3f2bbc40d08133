/** Who may do what with a bucket: the roles of its own project, resellers, and what its Swift access lists open to everybody. */
import { isFailure } from '#common';
import type { Container } from '../objects/index.ts';
import type { Caller, S3Request, S3Services } from './context.ts';
import { S3Failure } from './s3-failure.ts';

/** `list`: see the names in a bucket; `get`: read an object; `write`: change objects or the bucket. */
export type Need = 'list' | 'get' | 'write';

const writingRoles = new Set(['admin', 'manager', 'member', 'swiftoperator']);
const readingRoles = new Set([...writingRoles, 'reader']);

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

function mayUse(container: Container, caller: Caller | undefined, need: Need): boolean {
  if (caller?.identity.reseller === true) return true;
  if (caller?.account === container.account) return hasRole(caller, need);
  return need !== 'write' && openToAll(container.system['read-acl'] ?? '', need);
}

export function checkMayGet(container: Container, caller: Caller | undefined): void {
  if (!mayUse(container, caller, 'get')) throw new S3Failure('AccessDenied');
}

export function hasRole(caller: Caller, need: Need): boolean {
  const enough = need === 'write' ? writingRoles : readingRoles;
  return caller.identity.roles.some((role) => enough.has(role));
}

/** Swift's `.r:*` opens the objects to everybody, `.rlistings` the names as well. */
function openToAll(readAcl: string, need: Need): boolean {
  const grants = readAcl.split(',').map((grant) => grant.trim());
  return grants.includes('.r:*') && (need === 'get' || grants.includes('.rlistings'));
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
