/** UploadPart. */
import type { PutPart } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { openBody } from '../../body/open-body.ts';
import { checksumHeaders } from '../../checksum-headers.ts';
import type { Operation } from '../../context.ts';
import { emptyReply } from '../../reply.ts';
import { refuseUnsupported } from '../../unsupported.ts';
import { partNumber, uploadRef } from '../../upload-id.ts';

export const uploadPart: Operation = async (request, services) => {
  refuseUnsupported(request.head);
  const container = await openBucket(request, services, 'write');
  const number = partNumber(request);
  const opened = await openBody(request);
  const put: PutPart = {
    ...uploadRef(request, container),
    number,
    body: opened.body,
    onBodyEnd: () => ({ checksums: opened.checksums() }),
    ...(opened.length === undefined ? {} : { length: opened.length }),
    ...(opened.md5 === undefined ? {} : { expectedMd5: opened.md5 }),
  };
  const part = await services.objects.uploads.putPart(put);
  const { 'x-amz-checksum-type': _, ...checksums } = checksumHeaders(part.checksums);
  return emptyReply(200, { etag: `"${part.etag}"`, ...checksums });
};
