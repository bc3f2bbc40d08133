/** DeleteBucket: only an empty one goes. */
import { isFailure } from '#common';
import type { Container } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { emptyReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';

function notEmpty({ name, system }: Container, cause: unknown): S3Failure {
  const details = { BucketName: name };
  if (system.versioning === undefined) return new S3Failure('BucketNotEmpty', { details, cause });
  const message =
    'The bucket you tried to delete is not empty. You must delete all versions in the bucket.';
  return new S3Failure('BucketNotEmpty', { message, details, cause });
}

export const deleteBucket: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:DeleteBucket');
  try {
    await services.objects.containers.delete(container.account, container.name);
  } catch (error) {
    if (!isFailure(error, 'conflict') || error.code !== 'container-not-empty') throw error;
    throw notEmpty(container, error);
  }
  return emptyReply(204);
};
