/** GetBucketLocation. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { locationConstraint } from '../../region.ts';
import { xmlReply } from '../../reply.ts';
import { escapeXml, s3Document } from '../../xml/write.ts';

export const getBucketLocation: Operation = async (request, services) => {
  await openBucket(request, services, 's3:GetBucketLocation');
  const place = escapeXml(locationConstraint(services.settings.region));
  return xmlReply(200, s3Document('LocationConstraint', place));
};
