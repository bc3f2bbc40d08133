/** DeleteBucket: only an empty one goes. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { emptyReply } from '../../reply.ts';

export const deleteBucket: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:DeleteBucket');
  await services.objects.containers.delete(container.account, container.name);
  return emptyReply(204);
};
