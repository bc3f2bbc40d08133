/** DeleteObject: deleting what is not there is fine, unless a condition says it must be. */
import { isFailure } from '#common';
import { openBucket } from '../../access.ts';
import { conditionally, writeConditions } from '../../conditions.ts';
import type { Operation } from '../../context.ts';
import { emptyReply } from '../../reply.ts';
import { refuseUnsupported } from '../../unsupported.ts';
import { checkVersionId } from '../../version-id.ts';

export const deleteObject: Operation = async (request, services) => {
  refuseUnsupported(request.head);
  const container = await openBucket(request, services, 'write');
  checkVersionId(request.query.get('versionId'));
  const ref = { container, name: request.key };
  const conditions = writeConditions(request.head);
  const options = { mode: 'strict' as const, ...(conditions === undefined ? {} : { conditions }) };
  try {
    const remove = () => services.objects.objects.delete(ref, options);
    await conditionally(remove, conditions);
  } catch (error) {
    const gone = isFailure(error, 'missing') && error.code === 'object-missing';
    if (!gone || conditions !== undefined) throw error;
  }
  return emptyReply(204);
};
