/** GetBucketReplication: no bucket is replicated by rules, and says so. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { S3Failure } from '../../s3-failure.ts';

export const getReplication: Operation = async (request, services) => {
  await openBucket(request, services, 's3:GetReplicationConfiguration');
  throw new S3Failure('ReplicationConfigurationNotFoundError', {
    details: { BucketName: request.bucket },
  });
};
