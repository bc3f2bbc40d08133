/**
 * PutObject.
 *
 * 1. Refuse what is not served and what the caller may not do, before any of the body is read.
 * 2. Stream the body to the service, which hashes it; our own checks throw inside the stream.
 * 3. The row is written once everything agreed: until then nothing is visible.
 */
import type { PutObject } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { openBody } from '../../body/open-body.ts';
import { checksumHeaders } from '../../checksum-headers.ts';
import { conditionally, writeConditions } from '../../conditions.ts';
import type { Operation } from '../../context.ts';
import { parseFields } from '../../object-fields.ts';
import { emptyReply } from '../../reply.ts';
import { refuseUnsupported } from '../../unsupported.ts';

export const putObject: Operation = async (request, services) => {
  const { head, key } = request;
  refuseUnsupported(head);
  const container = await openBucket(request, services, 'write');
  const fields = parseFields(head);
  const opened = await openBody(request);
  const conditions = writeConditions(head);
  const ref = { container, name: key };
  const put: PutObject = {
    ...ref,
    ...fields,
    body: opened.body,
    mode: 'strict',
    onBodyEnd: () => ({ checksums: opened.checksums() }),
    ...(opened.length === undefined ? {} : { length: opened.length }),
    ...(opened.md5 === undefined ? {} : { expectedMd5: opened.md5 }),
    ...(conditions === undefined ? {} : { conditions }),
  };
  const write = () => services.objects.objects.put(put);
  const { info } = await conditionally(write, conditions);
  return emptyReply(200, { etag: `"${info.etag}"`, ...checksumHeaders(info.checksums) });
};
