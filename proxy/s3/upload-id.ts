/** The `uploadId` and `partNumber` of a request. */
import type { Container, UploadRef } from '../objects/index.ts';
import type { S3Request } from './context.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';

export const partNumberMax = 10_000;

export function uploadRef(request: S3Request, container: Container): UploadRef {
  const uploadId = request.query.get('uploadId') ?? '';
  if (!/^[\w.~+/=-]{1,512}$/.test(uploadId))
    throw new S3Failure('NoSuchUpload', { details: { UploadId: uploadId } });
  return { container, name: request.key, uploadId };
}

export function partNumber(request: S3Request): number {
  const text = request.query.get('partNumber') ?? '';
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > partNumberMax)
    throw invalidArgument(
      'partNumber',
      text,
      `Part number must be an integer between 1 and ${partNumberMax}, inclusive`,
    );
  return number;
}
