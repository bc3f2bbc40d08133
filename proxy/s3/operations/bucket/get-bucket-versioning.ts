/** GetBucketVersioning: an empty answer says that versioning was never turned on, which is so. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { xmlReply } from '../../reply.ts';
import { s3Document } from '../../xml/write.ts';

export const getBucketVersioning: Operation = async (request, services) => {
  await openBucket(request, services, 'list');
  return xmlReply(200, s3Document('VersioningConfiguration', ''));
};
