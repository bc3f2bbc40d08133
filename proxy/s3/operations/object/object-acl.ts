/** GetObjectAcl and PutObjectAcl. */

import { aclField, decodeAcl, encodeAcl, isPublicAcl } from '../../access/acl.ts';
import { aclOfRequest, renderAcl } from '../../access/acl-document.ts';
import { aclsCount, rightsOf } from '../../access/bucket-rights.ts';
import { ownerId } from '../../access.ts';
import { changeObject } from '../../change-object.ts';
import type { Operation } from '../../context.ts';
import { describeStored, wantedOf } from '../../find-object.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';

export const getObjectAcl: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:GetObjectAcl', 's3:GetObjectVersionAcl');
  const { container, object } = await describeStored(wanted, request, services);
  const acl = decodeAcl(object.system[aclField], ownerId(container.account));
  const version = object.versionId === undefined ? {} : { 'x-amz-version-id': object.versionId };
  return xmlReply(200, await renderAcl(acl, services), version);
};

export const putObjectAcl: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:PutObjectAcl', 's3:PutObjectVersionAcl');
  const { container, object } = await describeStored(wanted, request, services);
  const rights = rightsOf(container);
  const bucketOwner = ownerId(container.account);
  const { owner } = decodeAcl(object.system[aclField], bucketOwner);
  const acl = await aclOfRequest(request, services, { owner, bucketOwner });
  if (!aclsCount(rights)) throw new S3Failure('AccessControlListNotSupported');
  if (rights.publicAccess.blockPublicAcls && isPublicAcl(acl)) throw new S3Failure('AccessDenied');
  const changed = await changeObject(services, { container, wanted }, () => ({
    [aclField]: encodeAcl(acl),
  }));
  services.notifier.tell(request, { event: 'ObjectAcl:Put', container, key: request.key });
  const version = changed.versionId === undefined ? {} : { 'x-amz-version-id': changed.versionId };
  return emptyReply(200, version);
};
