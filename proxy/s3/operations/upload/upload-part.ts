/** UploadPart. */
import type { PutPart } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { fallbackAlgorithm } from '../../body/checksum-algorithms.ts';
import {
  type ChecksumPlan,
  checkPartChecksum,
  checksumPlanOf,
} from '../../body/multipart-checksum.ts';
import { openBody } from '../../body/open-body.ts';
import { sumUpLate } from '../../body/sum-up.ts';
import { checksumHeaders } from '../../checksum-headers.ts';
import type { Operation } from '../../context.ts';
import { emptyReply } from '../../reply.ts';
import { customerKeyOf, encryptionHeaders } from '../../sse.ts';
import { partNumber, uploadRef } from '../../upload-id.ts';

export const uploadPart: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutObject');
  const number = partNumber(request);
  const customerKey = customerKeyOf(request.head);
  const ref = uploadRef(request, container);
  const opened = await openBody(request);
  await services.quotas.check(container, opened.length ?? 0);
  const fallback = fallbackAlgorithm(services.settings.defaultChecksum);
  let plan: ChecksumPlan | undefined;
  const summed =
    opened.algorithm === undefined
      ? sumUpLate(opened.body, () => plan?.algorithm ?? fallback)
      : opened;
  const put: PutPart = {
    ...ref,
    number,
    body: summed.body,
    onUpload: (system) => {
      plan = checksumPlanOf(system);
      checkPartChecksum(plan, opened.algorithm);
    },
    onBodyEnd: () => ({ checksums: summed.checksums() }),
    ...(opened.length === undefined ? {} : { length: opened.length }),
    ...(opened.md5 === undefined ? {} : { expectedMd5: opened.md5 }),
    ...(customerKey === undefined ? {} : { customerKey }),
  };
  const part = await services.objects.uploads.putPart(put);
  // What nobody asked for is kept for the whole object, and not shown of the part.
  const isAsked = plan !== undefined || opened.algorithm !== undefined;
  const { 'x-amz-checksum-type': _, ...checksums } = checksumHeaders(isAsked ? part.checksums : {});
  return emptyReply(200, {
    etag: `"${part.etag}"`,
    ...checksums,
    ...encryptionHeaders(part.encryption ?? {}),
  });
};
