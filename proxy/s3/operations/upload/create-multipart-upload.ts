/** CreateMultipartUpload: says what the finished object will have, and how its checksum will be made. */
import { openBucket } from '../../access.ts';
import { namedAlgorithm } from '../../body/declared-checksum.ts';
import { checksumPlan, planFields } from '../../body/multipart-checksum.ts';
import type { Operation } from '../../context.ts';
import { xmlReply } from '../../reply.ts';
import { encryptionHeaders, writeKeyOf } from '../../sse.ts';
import { fieldsOfWrite } from '../../write-fields.ts';
import { element, s3Document } from '../../xml/write.ts';

export const createMultipartUpload: Operation = async (request, services) => {
  const { head } = request;
  const container = await openBucket(request, services, 's3:PutObject');
  const plan = checksumPlan(
    namedAlgorithm(head.headers.get('x-amz-checksum-algorithm')),
    head.headers.get('x-amz-checksum-type'),
  );
  const fields = await fieldsOfWrite(request, container, services);
  const encryption = await writeKeyOf(request, container, services);
  const system = { ...fields.system, ...planFields(plan), ...encryption?.fields };
  const ref = { container, name: request.key };
  const upload = await services.objects.uploads.create(ref, { ...fields, system });
  const inner =
    element('Bucket', request.bucket) +
    element('Key', request.key) +
    element('UploadId', upload.uploadId);
  const headers: Record<string, string> =
    plan === undefined
      ? {}
      : {
          'x-amz-checksum-algorithm': plan.algorithm.toUpperCase(),
          'x-amz-checksum-type': plan.type,
        };
  return xmlReply(200, s3Document('InitiateMultipartUploadResult', inner), {
    ...headers,
    ...encryptionHeaders(system),
  });
};
