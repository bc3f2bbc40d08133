/**
 * CompleteMultipartUpload: the listed parts become the object, by reference.
 *
 * 1. Parse the list; every part has a number and an ETag, perhaps a checksum.
 * 2. The service matches it with what was uploaded; we see the parts before anything is visible.
 * 3. Compare the checksums told with those of the parts, make the object's own, compare that too.
 */
import { isFailure } from '#common';
import type { CompleteUpload, UploadRef } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { checksumAlgorithms } from '../../body/checksum-algorithms.ts';
import { headerOf } from '../../body/declared-checksum.ts';
import {
  type ChecksumPlan,
  type CompletedPart,
  checksumPlanOf,
  combineParts,
  fallbackPlan,
  partChecksums,
} from '../../body/multipart-checksum.ts';
import { readDocument } from '../../body/read-document.ts';
import { checksumElements } from '../../checksum-headers.ts';
import { bareEtag, conditionally, writeConditions } from '../../conditions.ts';
import type { Operation, S3Request, S3Services } from '../../context.ts';
import { expirationHeaders } from '../../lifecycle/expiration-header.ts';
import { objectLocation } from '../../object-location.ts';
import { xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { writtenVersion } from '../../serve-object.ts';
import { encryptionHeaders } from '../../sse.ts';
import { partNumberMax, uploadRef } from '../../upload-id.ts';
import { parseXml, type XmlNode } from '../../xml/parse.ts';
import { element, s3Document } from '../../xml/write.ts';
import { versionOf } from '../object/put-object.ts';
import { checkClaims, checkSize, checkWhole } from './completion-claims.ts';

export const completeMultipartUpload: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutObject');
  const ref = uploadRef(request, container);
  const parts = parseParts(await readCompletion(request, services.settings.documentBytesMax));
  const plan = await findPlan(services, ref);
  const fallback = fallbackPlan(services.settings.defaultChecksum);
  checkClaims(request.head, plan, parts);
  const conditions = writeConditions(request.head);
  const complete: CompleteUpload = {
    ...ref,
    parts: parts.map(({ number, etag }) => ({ number, etag })),
    onParts: (stored) => {
      const size = stored.reduce((sum, part) => sum + part.size, 0);
      checkSize(request.head, size);
      const checksums = combineParts(plan ?? fallback, stored, parts);
      checkWhole(request.head, plan, checksums);
      return { checksums: { ...checksums, ...partChecksums(plan, stored) } };
    },
    ...(conditions === undefined ? {} : { conditions }),
  };
  const write = () => services.objects.uploads.complete(complete);
  const { info } = await conditionally(write, conditions);
  const inner =
    element('Location', objectLocation(request)) +
    element('Bucket', request.bucket) +
    element('Key', request.key) +
    element('ETag', `"${info.etag}"`) +
    checksumElements(info.checksums, true);
  const { size, etag } = info;
  const about = { container, key: request.key, size, etag, ...versionOf(info) };
  services.notifier.tell(request, { event: 'ObjectCreated:CompleteMultipartUpload', ...about });
  return xmlReply(200, s3Document('CompleteMultipartUploadResult', inner), {
    ...writtenVersion(info),
    ...encryptionHeaders(info.system),
    ...expirationHeaders(container, info, request),
  });
};

/** An upload that is gone may be one that was completed before: the service tells, and repeats the answer. */
async function findPlan(services: S3Services, ref: UploadRef): Promise<ChecksumPlan | undefined> {
  try {
    const upload = await services.objects.uploads.get(ref);
    return checksumPlanOf(upload.fields.system);
  } catch (error) {
    if (isFailure(error, 'missing') && error.code === 'upload-missing') return undefined;
    throw error;
  }
}

/** `x-amz-checksum-…` here is the object's, not this document's, so the body is read without it. */
function readCompletion(request: S3Request, bytesMax: number): Promise<Buffer> {
  const headers = new Map(request.head.headers);
  for (const algorithm of checksumAlgorithms) headers.delete(headerOf(algorithm));
  return readDocument({ ...request, head: { ...request.head, headers } }, bytesMax);
}

const roots = ['CompleteMultipartUpload', 'CompleteMultipartUploadRequest'];
// Each part may have a number, an ETag and one checksum, and a newer client one thing more.
const tagsMax = partNumberMax * 10 + 100;

function parseParts(document: Buffer): readonly CompletedPart[] {
  const root = parseXml(document, { roots, tagsMax });
  const parts = root.children('Part').map(parsePart);
  if (parts.length === 0 || parts.length > partNumberMax) throw new S3Failure('MalformedXML');
  return parts;
}

function parsePart(node: XmlNode): CompletedPart {
  const number = node.childText('PartNumber')?.trim() ?? '';
  const etag = node.childText('ETag');
  if (!/^\d{1,9}$/.test(number) || etag === undefined) throw new S3Failure('MalformedXML');
  const checksums: Record<string, string> = {};
  for (const algorithm of checksumAlgorithms) {
    const value = node.childText(`Checksum${algorithm.toUpperCase()}`);
    if (value !== undefined) checksums[algorithm] = value.trim();
  }
  return { number: Number(number), etag: bareEtag(etag), checksums };
}
