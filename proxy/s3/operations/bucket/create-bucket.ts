/** CreateBucket: a container whose name is taken out of the namespace that all projects share. */
import { isFailure } from '#common';
import { mayInProject, signedCaller } from '../../access.ts';
import { isBucketName } from '../../address.ts';
import { readDocument } from '../../body/read-document.ts';
import type { Operation, S3Request, S3Services } from '../../context.ts';
import { emptyReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { refuseUnsupported } from '../../unsupported.ts';
import { parseXml } from '../../xml/parse.ts';

export const createBucket: Operation = async (request, services) => {
  const caller = signedCaller(request);
  const { bucket } = request;
  if (!isBucketName(bucket))
    throw new S3Failure('InvalidBucketName', { details: { BucketName: bucket } });
  if (!mayInProject(caller, 'own')) throw new S3Failure('AccessDenied');
  refuseUnsupported(request.head);
  await checkLocation(request, services);
  const wanted = { account: caller.account, name: bucket, globalName: true, exclusive: true };
  try {
    await services.objects.containers.create(wanted);
  } catch (error) {
    throw renamed(error, bucket);
  }
  return emptyReply(200, { location: `/${bucket}` });
};

function renamed(error: unknown, bucket: string): unknown {
  const details = { BucketName: bucket };
  if (isFailure(error, 'conflict') && error.code === 'container-exists')
    return new S3Failure('BucketAlreadyOwnedByYou', { details, cause: error });
  if (isFailure(error, 'conflict') && error.code === 'container-name-taken')
    return new S3Failure('BucketAlreadyExists', { details, cause: error });
  return error;
}

/** `CreateBucketConfiguration` may name the region; where one is configured it must be that one. */
async function checkLocation(request: S3Request, { settings }: S3Services): Promise<void> {
  const document = await readDocument(request, settings.documentBytesMax);
  if (document.length === 0) return;
  const configuration = parseXml(document, { roots: ['CreateBucketConfiguration'], tagsMax: 500 });
  const place = configuration.childText('LocationConstraint')?.trim() ?? '';
  if (configuration.children('Bucket').length > 0 || configuration.children('Tags').length > 0)
    throw new S3Failure('NotImplemented');
  if (place !== '' && settings.region !== '' && place !== settings.region)
    throw new S3Failure('IllegalLocationConstraintException', {
      message: `The ${place} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    });
}
