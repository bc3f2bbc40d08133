/** GetObjectAcl: the object must be there; its rights are its bucket's. */
import { openBucket } from '../../access.ts';
import { ownerOnlyAcl } from '../../access-control-policy.ts';
import type { Operation } from '../../context.ts';
import { xmlReply } from '../../reply.ts';

export const getObjectAcl: Operation = async (request, services) => {
  const container = await openBucket(request, services, 'list');
  await services.objects.objects.head({ container, name: request.key });
  return xmlReply(200, ownerOnlyAcl(container));
};
