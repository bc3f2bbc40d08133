/** UploadPartCopy: a part made of an object, or of a range of it. */
import { openBucket } from '../../access.ts';
import { fallbackAlgorithm } from '../../body/checksum-algorithms.ts';
import { checksumPlanOf } from '../../body/multipart-checksum.ts';
import { bodyBytesMax } from '../../body/open-body.ts';
import { sumUp } from '../../body/sum-up.ts';
import { checksumElements } from '../../checksum-headers.ts';
import type { Operation } from '../../context.ts';
import { openCopySource } from '../../copy-source.ts';
import { listingDate } from '../../http-date.ts';
import type { ByteRange } from '../../range.ts';
import { xmlReply } from '../../reply.ts';
import { invalidArgument, S3Failure } from '../../s3-failure.ts';
import { customerKeyOf, encryptionHeaders } from '../../sse.ts';
import { partNumber, uploadRef } from '../../upload-id.ts';
import { element, s3Document } from '../../xml/write.ts';

export const uploadPartCopy: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutObject');
  const number = partNumber(request);
  const { object } = await openCopySource(request, services);
  const customerKey = customerKeyOf(request.head);
  const header = request.head.headers.get('x-amz-copy-source-range');
  const range = copyRange(header, object.info.size);
  await services.quotas.check(container, range.length);
  const ref = uploadRef(request, container);
  const { system } = (await services.objects.uploads.get(ref)).fields;
  const plan = checksumPlanOf(system);
  const fallback = fallbackAlgorithm(services.settings.defaultChecksum);
  const summed = await sumUp(object.read(range.offset, range.length), plan?.algorithm ?? fallback);
  const part = await services.objects.uploads.putPart({
    ...ref,
    number,
    body: summed.body,
    length: range.length,
    onBodyEnd: () => ({ checksums: summed.checksums() }),
    ...(customerKey === undefined ? {} : { customerKey }),
  });
  const inner =
    element('LastModified', listingDate(part.modifiedUs)) +
    element('ETag', `"${part.etag}"`) +
    checksumElements(plan === undefined ? {} : part.checksums, false);
  const { versionId } = object.info;
  return xmlReply(200, s3Document('CopyPartResult', inner), {
    ...(versionId === undefined ? {} : { 'x-amz-copy-source-version-id': versionId }),
    ...encryptionHeaders(system),
  });
};

/** `bytes=first-last`, both within the object: stricter than a GET's range. */
export function copyRange(header: string | undefined, size: number): ByteRange {
  const range = header === undefined ? { offset: 0, length: size } : parseCopyRange(header, size);
  if (range.length > bodyBytesMax)
    throw new S3Failure('EntityTooLarge', { details: { MaxSizeAllowed: String(bodyBytesMax) } });
  return range;
}

function parseCopyRange(header: string, size: number): ByteRange {
  const name = 'x-amz-copy-source-range';
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || first > last)
    throw invalidArgument(
      name,
      header,
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    );
  if (last >= size)
    throw invalidArgument(
      name,
      header,
      `Range specified is not valid for source object of size: ${size}`,
    );
  return { offset: first, length: last - first + 1 };
}
