/** The policy of a bucket, and whether it is public. */

import { isPublicAcl } from '../../access/acl.ts';
import {
  aclsCount,
  policyConfirmedField,
  policyField,
  rightsOf,
} from '../../access/bucket-rights.ts';
import { isPublicPolicy } from '../../access/evaluate-policy.ts';
import { parsePolicy, policyBytesMax } from '../../access/policy-document.ts';
import { openBucket } from '../../access.ts';
import { readDocument } from '../../body/read-document.ts';
import { changeSystem } from '../../config/bucket-document.ts';
import type { Operation } from '../../context.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { element, s3Document } from '../../xml/write.ts';

export const getBucketPolicy: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:GetBucketPolicy');
  const policy = container.system[policyField];
  if (policy === undefined)
    throw new S3Failure('NoSuchBucketPolicy', { details: { BucketName: request.bucket } });
  return { status: 200, headers: { 'content-type': 'application/json' }, body: policy };
};

export const putBucketPolicy: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutBucketPolicy');
  const document = await readDocument(request, policyBytesMax * 2);
  const text = new TextDecoder('utf-8').decode(document);
  const statements = parsePolicy(text, { bucket: request.bucket, isNew: true });
  if (rightsOf(container).publicAccess.blockPublicPolicy && isPublicPolicy(statements))
    throw new S3Failure('AccessDenied');
  const confirmed = request.head.headers.get('x-amz-confirm-remove-self-bucket-access');
  await changeSystem(container, services, {
    [policyField]: text,
    [policyConfirmedField]: confirmed === 'true' ? 'true' : undefined,
  });
  return emptyReply(204);
};

export const deleteBucketPolicy: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:DeleteBucketPolicy');
  await changeSystem(container, services, {
    [policyField]: undefined,
    [policyConfirmedField]: undefined,
  });
  return emptyReply(204);
};

export const getBucketPolicyStatus: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:GetBucketPolicyStatus');
  const rights = rightsOf(container);
  const byAcl =
    aclsCount(rights) && !rights.publicAccess.ignorePublicAcls && isPublicAcl(rights.acl);
  const byPolicy = rights.isPolicyPublic && !rights.publicAccess.restrictPublicBuckets;
  const inner = element('IsPublic', byAcl || byPolicy);
  return xmlReply(200, s3Document('PolicyStatus', inner));
};
