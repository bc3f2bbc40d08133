/** AbortMultipartUpload. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { emptyReply } from '../../reply.ts';
import { uploadRef } from '../../upload-id.ts';

export const abortMultipartUpload: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:AbortMultipartUpload');
  await services.objects.uploads.abort(uploadRef(request, container));
  return emptyReply(204);
};
