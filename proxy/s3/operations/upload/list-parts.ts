/** ListParts. */
import { ownerField, type UploadedPart } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import {
  type ChecksumPlan,
  checksumPlanOf,
  shownChecksums,
} from '../../body/multipart-checksum.ts';
import { checksumElements } from '../../checksum-headers.ts';
import type { Operation } from '../../context.ts';
import { listingDate } from '../../http-date.ts';
import { numberParameter, pageLimit } from '../../numbers.ts';
import { ownersOf } from '../../owner-element.ts';
import { xmlReply } from '../../reply.ts';
import { storageClassOf } from '../../storage-class.ts';
import { uploadRef } from '../../upload-id.ts';
import { element, s3Document, wrap } from '../../xml/write.ts';

export const listParts: Operation = async (request, services) => {
  const { query } = request;
  const container = await openBucket(request, services, 's3:ListMultipartUploadParts');
  const ref = uploadRef(request, container);
  const limit = pageLimit(query, 'max-parts');
  const bounds = { name: 'part-number-marker', min: 0, max: 2_147_483_647 };
  const marker = numberParameter(query, bounds) ?? 0;
  const upload = await services.objects.uploads.get(ref);
  const page =
    limit === 0
      ? { entries: [], more: false }
      : await services.objects.uploads.listParts(ref, { marker, limit });
  const plan = checksumPlanOf(upload.fields.system);
  const other = upload.fields.system[ownerField];
  const whose = other === undefined ? {} : { owner: other };
  const owner = (await ownersOf([whose], container.account, services))(whose);
  const inner =
    element('Bucket', request.bucket) +
    element('Key', request.key) +
    element('UploadId', ref.uploadId) +
    wrap('Initiator', owner) +
    wrap('Owner', owner) +
    element('StorageClass', storageClassOf(upload.fields.system)) +
    element('PartNumberMarker', marker) +
    element('NextPartNumberMarker', page.entries.at(-1)?.number ?? 0) +
    element('MaxParts', limit) +
    element('IsTruncated', page.more) +
    (plan === undefined
      ? ''
      : element('ChecksumAlgorithm', plan.algorithm.toUpperCase()) +
        element('ChecksumType', plan.type)) +
    page.entries.map((part) => renderPart(part, plan)).join('');
  return xmlReply(200, s3Document('ListPartsResult', inner));
};

function renderPart(part: UploadedPart, plan: ChecksumPlan | undefined): string {
  const inner =
    element('PartNumber', part.number) +
    element('LastModified', listingDate(part.modifiedUs)) +
    element('ETag', `"${part.etag}"`) +
    element('Size', part.size) +
    checksumElements(shownChecksums(part.checksums, plan), false);
  return wrap('Part', inner);
}
