/** Everything that a writing request says about the object it makes: fields, tags, class, lock, access list, redirect. */
import { type Container, type ObjectFields, ownerField } from '../objects/index.ts';
import { aclField, encodeAcl, isPublicAcl } from './access/acl.ts';
import { aclOfHeaders } from './access/acl-document.ts';
import { aclsCount, rightsOf } from './access/bucket-rights.ts';
import { mayTagNew, ownerId } from './access.ts';
import { lockOfWrite } from './config/object-lock.ts';
import { encodeTags, parseTagQuery, tagsField } from './config/tags.ts';
import type { S3Request, S3Services } from './context.ts';
import { parseFields } from './object-fields.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';
import { storageClassFields } from './storage-class.ts';

export const redirectField = 's3-redirect';

export async function fieldsOfWrite(
  request: S3Request,
  container: Container,
  services: S3Services,
): Promise<ObjectFields> {
  return {
    ...parseFields(request.head),
    system: await systemOfWrite(request, container, services),
  };
}

/** The part that is kept among the object's own fields; also what a copy takes from its own request rather than from its source. */
export async function systemOfWrite(
  request: S3Request,
  container: Container,
  services: S3Services,
): Promise<Readonly<Record<string, string>>> {
  const { headers } = request.head;
  const tagging = headers.get('x-amz-tagging');
  if (tagging !== undefined && tagging !== '' && !mayTagNew(request, container, request.key))
    throw new S3Failure('AccessDenied');
  const tags = tagging === undefined ? [] : parseTagQuery(tagging);
  return {
    ...storageClassFields(headers.get('x-amz-storage-class'), services.settings),
    ...lockOfWrite(request, container),
    ...(tags.length === 0 ? {} : { [tagsField]: encodeTags(tags) }),
    ...redirectOf(headers.get('x-amz-website-redirect-location')),
    ...(await aclOfWrite(request, container, services)),
  };
}

function redirectOf(location: string | undefined): Readonly<Record<string, string>> {
  if (location === undefined) return {};
  if (!/^(\/|https?:\/\/)/.test(location) || location.length > 2048)
    throw invalidArgument(
      'x-amz-website-redirect-location',
      location,
      "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    );
  return { [redirectField]: location };
}

/** Nothing where the object is the bucket owner's alone; its owner too where that is somebody else. */
async function aclOfWrite(
  request: S3Request,
  container: Container,
  services: S3Services,
): Promise<Readonly<Record<string, string>>> {
  const rights = rightsOf(container);
  const bucketOwner = ownerId(container.account);
  const writer = request.caller === undefined ? bucketOwner : ownerId(request.caller.account);
  const canned = request.head.headers.get('x-amz-acl');
  const isForOwner = canned === 'bucket-owner-full-control';
  const taken = rights.ownership === 'BucketOwnerPreferred' && isForOwner;
  const owner = !aclsCount(rights) || taken ? bucketOwner : writer;
  const acl = await aclOfHeaders(request, services, { owner, bucketOwner });
  if (!aclsCount(rights)) {
    if (acl !== undefined && !(isForOwner || canned === 'private'))
      throw new S3Failure('AccessControlListNotSupported');
    return {};
  }
  if (acl !== undefined && rights.publicAccess.blockPublicAcls && isPublicAcl(acl))
    throw new S3Failure('AccessDenied');
  if (acl !== undefined) {
    const plain =
      owner === bucketOwner &&
      acl.grants.length === 1 &&
      acl.grants[0]?.grantee.id === owner &&
      acl.grants[0].permission === 'FULL_CONTROL';
    if (plain) return {};
    return {
      [aclField]: encodeAcl(acl),
      ...(owner === bucketOwner ? {} : { [ownerField]: owner }),
    };
  }
  if (owner === bucketOwner) return {};
  return {
    [ownerField]: owner,
    [aclField]: encodeAcl({
      owner,
      grants: [{ grantee: { id: owner }, permission: 'FULL_CONTROL' }],
    }),
  };
}
