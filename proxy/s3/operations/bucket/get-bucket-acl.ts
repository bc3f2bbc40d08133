/** GetBucketAcl. */
import { openBucket } from '../../access.ts';
import { ownerOnlyAcl } from '../../access-control-policy.ts';
import type { Operation } from '../../context.ts';
import { xmlReply } from '../../reply.ts';

export const getBucketAcl: Operation = async (request, services) => {
  const container = await openBucket(request, services, 'list');
  return xmlReply(200, ownerOnlyAcl(container));
};
