/** GetBucketAcl and PutBucketAcl. */

import { aclField, encodeAcl, isPublicAcl } from '../../access/acl.ts';
import { aclOfRequest, renderAcl } from '../../access/acl-document.ts';
import { aclsCount, rightsOf } from '../../access/bucket-rights.ts';
import { findBucket, mayDo, ownerId } from '../../access.ts';
import { changeSystem } from '../../config/bucket-document.ts';
import type { Operation } from '../../context.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';

export const getBucketAcl: Operation = async (request, services) => {
  const container = await findBucket(request.bucket, request, services);
  if (!mayDo(request, container, 's3:GetBucketAcl')) throw new S3Failure('AccessDenied');
  return xmlReply(200, await renderAcl(shownAcl(container), services));
};

/** A Swift read list that is open to everybody shows as a grant to everybody. */
function shownAcl(container: Parameters<typeof rightsOf>[0]) {
  const { acl } = rightsOf(container);
  const readers = (container.system['read-acl'] ?? '').split(',').map((word) => word.trim());
  if (!readers.includes('.r:*') || isPublicAcl(acl)) return acl;
  const everyone = { grantee: { group: 'AllUsers' }, permission: 'READ' } as const;
  return { ...acl, grants: [...acl.grants, everyone] };
}

export const putBucketAcl: Operation = async (request, services) => {
  const container = await findBucket(request.bucket, request, services);
  if (!mayDo(request, container, 's3:PutBucketAcl')) throw new S3Failure('AccessDenied');
  const rights = rightsOf(container);
  const owner = ownerId(container.account);
  const acl = await aclOfRequest(request, services, { owner, bucketOwner: owner });
  if (!aclsCount(rights)) throw new S3Failure('AccessControlListNotSupported');
  if (rights.publicAccess.blockPublicAcls && isPublicAcl(acl)) throw new S3Failure('AccessDenied');
  await changeSystem(container, services, { [aclField]: encodeAcl(acl) });
  return emptyReply(200);
};
