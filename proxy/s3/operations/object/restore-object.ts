/** RestoreObject: nothing here is ever archived, so nothing is to be restored. */
import type { Operation } from '../../context.ts';
import { describeStored, wantedOf } from '../../find-object.ts';
import { S3Failure } from '../../s3-failure.ts';

export const restoreObject: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:RestoreObject', 's3:RestoreObject');
  await describeStored(wanted, request, services);
  throw new S3Failure('InvalidObjectState', {
    message: "Restore is not allowed for the object's current storage class.",
  });
};
