/** The public access block of a bucket, and its ownership controls: both are looked at for every request. */

import { isPublicAcl } from '../../access/acl.ts';
import { ownershipField, publicAccessField, rightsOf } from '../../access/bucket-rights.ts';
import { openBucket } from '../../access.ts';
import { readDocument } from '../../body/read-document.ts';
import { changeSystem } from '../../config/bucket-document.ts';
import {
  ownershipDocument,
  parsePublicAccess,
  renderOwnership,
  renderPublicAccess,
} from '../../config/simple-documents.ts';
import type { Operation } from '../../context.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { parseXml } from '../../xml/parse.ts';
import { s3Document } from '../../xml/write.ts';

const root = 'PublicAccessBlockConfiguration';

export const getPublicAccessBlock: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:GetBucketPublicAccessBlock');
  const kept = container.system[publicAccessField];
  if (kept === undefined)
    throw new S3Failure('NoSuchPublicAccessBlockConfiguration', {
      details: { BucketName: request.bucket },
    });
  return xmlReply(200, s3Document(root, renderPublicAccess(kept)));
};

export const putPublicAccessBlock: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutBucketPublicAccessBlock');
  const document = await readDocument(request, services.settings.documentBytesMax);
  const kept = parsePublicAccess(parseXml(document, { roots: [root], tagsMax: 40 }));
  await changeSystem(container, services, { [publicAccessField]: kept });
  return emptyReply(200);
};

export const deletePublicAccessBlock: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutBucketPublicAccessBlock');
  await changeSystem(container, services, { [publicAccessField]: undefined });
  return emptyReply(204);
};

export const getOwnershipControls: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:GetBucketOwnershipControls');
  const { ownership } = rightsOf(container);
  if (ownership === undefined)
    throw new S3Failure('OwnershipControlsNotFoundError', {
      details: { BucketName: request.bucket },
    });
  return xmlReply(200, s3Document(ownershipDocument.root, renderOwnership(ownership)));
};

export const putOwnershipControls: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutBucketOwnershipControls');
  const document = await readDocument(request, services.settings.documentBytesMax);
  const { root: name, tagsMax } = ownershipDocument;
  const ownership = ownershipDocument.parse(parseXml(document, { roots: [name], tagsMax }));
  if (ownership === 'BucketOwnerEnforced' && isPublicAcl(rightsOf(container).acl))
    throw new S3Failure('InvalidBucketAclWithObjectOwnership');
  await changeSystem(container, services, { [ownershipField]: ownership });
  return emptyReply(200);
};

export const deleteOwnershipControls: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutBucketOwnershipControls');
  await changeSystem(container, services, { [ownershipField]: undefined });
  return emptyReply(204);
};
