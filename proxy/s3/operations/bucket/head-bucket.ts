/** HeadBucket: is it there, and may I? */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { regionName } from '../../region.ts';
import { emptyReply } from '../../reply.ts';

export const headBucket: Operation = async (request, services) => {
  await openBucket(request, services, 's3:ListBucket');
  return emptyReply(200, {
    'content-type': 'application/xml',
    'x-amz-bucket-region': regionName(services.settings.region),
    'x-amz-access-point-alias': 'false',
  });
};
