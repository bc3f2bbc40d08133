/** CopyObject: server side, metadata kept or replaced. */
import type { CopyObject, ObjectFields } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { bodyBytesMax } from '../../body/open-body.ts';
import { checksumElements } from '../../checksum-headers.ts';
import { conditionally, writeConditions } from '../../conditions.ts';
import type { Operation, S3Request } from '../../context.ts';
import { type CopySource, openCopySource } from '../../copy-source.ts';
import { listingDate } from '../../http-date.ts';
import { parseFields } from '../../object-fields.ts';
import { xmlReply } from '../../reply.ts';
import { invalidArgument, S3Failure } from '../../s3-failure.ts';
import { refuseUnsupported } from '../../unsupported.ts';
import { element, s3Document } from '../../xml/write.ts';

export const copyObject: Operation = async (request, services) => {
  const { head } = request;
  refuseUnsupported(head);
  const container = await openBucket(request, services, 'write');
  const source = await openCopySource(request, services);
  const fields = replacedFields(request, source);
  checkSource(request, source, fields !== undefined);
  const target = { container, name: request.key };
  const conditions = writeConditions(head);
  const copy: CopyObject = {
    source: source.object,
    target,
    mode: 'strict',
    ...(fields === undefined ? {} : { fields }),
    ...(conditions === undefined ? {} : { conditions }),
  };
  const write = () => services.objects.objects.copy(copy);
  const { info } = await conditionally(write, conditions);
  const inner =
    element('LastModified', listingDate(info.modifiedUs)) +
    element('ETag', `"${info.etag}"`) +
    checksumElements(info.checksums, true);
  return xmlReply(200, s3Document('CopyObjectResult', inner));
};

/** `x-amz-metadata-directive`: undefined keeps the source's. The bytes stay the same, and so do their checksums. */
function replacedFields(request: S3Request, source: CopySource): ObjectFields | undefined {
  const directive = request.head.headers.get('x-amz-metadata-directive') ?? 'COPY';
  if (directive === 'COPY') return undefined;
  if (directive !== 'REPLACE')
    throw invalidArgument('x-amz-metadata-directive', directive, 'Unknown metadata directive.');
  return { ...parseFields(request.head), checksums: source.object.info.checksums };
}

function checkSource(request: S3Request, source: CopySource, replaces: boolean): void {
  if (source.bucket === request.bucket && source.key === request.key && !replaces)
    throw new S3Failure('InvalidRequest', {
      message:
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    });
  if (source.object.info.size > bodyBytesMax)
    throw new S3Failure('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${bodyBytesMax}`,
    });
}
