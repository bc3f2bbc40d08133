/**
 * PutObject.
 *
 * 1. Refuse what the caller may not do, or what means nothing, before any of the body is read.
 * 2. Stream the body to the service, which hashes it; our own checks throw inside the stream.
 * 3. The row is written once everything agreed: until then nothing is visible.
 */
import type { PutObject } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { fallbackAlgorithm } from '../../body/checksum-algorithms.ts';
import { openBody } from '../../body/open-body.ts';
import { checksumHeaders } from '../../checksum-headers.ts';
import { conditionally, writeConditions } from '../../conditions.ts';
import type { Operation } from '../../context.ts';
import { expirationHeaders } from '../../lifecycle/expiration-header.ts';
import { emptyReply } from '../../reply.ts';
import { writtenVersion } from '../../serve-object.ts';
import { encryptionHeaders, writeKeyOf } from '../../sse.ts';
import { refuseUnsupported } from '../../unsupported.ts';
import { fieldsOfWrite } from '../../write-fields.ts';

export const putObject: Operation = async (request, services) => {
  const { head, key } = request;
  refuseUnsupported(request);
  const container = await openBucket(request, services, 's3:PutObject');
  const fields = await fieldsOfWrite(request, container, services);
  const encryption = await writeKeyOf(request, container, services);
  const fallback = fallbackAlgorithm(services.settings.defaultChecksum);
  const opened = await openBody(request, fallback);
  await services.quotas.check(container, opened.length ?? 0);
  const conditions = writeConditions(head);
  const put: PutObject = {
    container,
    name: key,
    ...fields,
    body: opened.whole === undefined ? opened.body : await opened.whole(),
    mode: 'strict',
    onBodyEnd: () => ({ checksums: opened.checksums() }),
    ...(opened.length === undefined ? {} : { length: opened.length }),
    ...(opened.md5 === undefined ? {} : { expectedMd5: opened.md5 }),
    ...(conditions === undefined ? {} : { conditions }),
    ...(encryption === undefined ? {} : { encryption }),
  };
  const write = () => services.objects.objects.put(put);
  const { info } = await conditionally(write, conditions);
  const { size, etag } = info;
  const about = { container, key, size, etag };
  services.notifier.tell(request, { event: 'ObjectCreated:Put', ...about, ...versionOf(info) });
  return emptyReply(200, {
    etag: `"${info.etag}"`,
    ...checksumHeaders(info.checksums),
    ...writtenVersion(info),
    ...encryptionHeaders(info.system),
    ...expirationHeaders(container, info, request),
  });
};

/** For notifications. */
export function versionOf({ versionId }: { readonly versionId?: string }): {
  readonly versionId?: string;
} {
  return versionId === undefined ? {} : { versionId };
}
