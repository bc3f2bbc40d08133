/** ListMultipartUploads: uploads begun and neither completed nor aborted. */
import { type ListUploads, ownerField, type UploadListEntry } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { listingDate } from '../../http-date.ts';
import { pageLimit } from '../../numbers.ts';
import { type OwnerOf, ownersOf } from '../../owner-element.ts';
import { xmlReply } from '../../reply.ts';
import { storageClassOf } from '../../storage-class.ts';
import { element, s3Document, wrap } from '../../xml/write.ts';
import { type NameEncoder, nameEncoder } from '../bucket/list-entries.ts';

export const listMultipartUploads: Operation = async (request, services) => {
  const { query } = request;
  const container = await openBucket(request, services, 's3:ListBucketMultipartUploads');
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const keyMarker = query.get('key-marker') ?? '';
  // Without a key marker the other one means nothing.
  const uploadIdMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '');
  const limit = pageLimit(query, 'max-uploads');
  const encode = nameEncoder(query);
  const wanted: ListUploads = {
    limit,
    ...(prefix === '' ? {} : { prefix }),
    ...(delimiter === '' ? {} : { delimiter }),
    ...(keyMarker === '' ? {} : { nameMarker: keyMarker }),
    ...(uploadIdMarker === '' ? {} : { uploadIdMarker }),
  };
  const page =
    limit === 0
      ? { entries: [], more: false }
      : await services.objects.uploads.list(container, wanted);
  const last = page.more ? page.entries.at(-1) : undefined;
  const owner = await ownersOf(page.entries.map(whoseOf), container.account, services);
  const inner =
    element('Bucket', request.bucket) +
    element('KeyMarker', encode(keyMarker)) +
    element('UploadIdMarker', uploadIdMarker) +
    (last === undefined ? '' : nextMarkers(last, encode)) +
    element('Prefix', encode(prefix)) +
    (delimiter === '' ? '' : element('Delimiter', encode(delimiter))) +
    (query.has('encoding-type') ? element('EncodingType', 'url') : '') +
    element('MaxUploads', limit) +
    element('IsTruncated', page.more) +
    page.entries.map((entry) => renderUpload(entry, encode, owner)).join('');
  return xmlReply(200, s3Document('ListMultipartUploadsResult', inner));
};

function nextMarkers(last: UploadListEntry, encode: NameEncoder): string {
  return last.prefix === undefined
    ? element('NextKeyMarker', encode(last.name)) + element('NextUploadIdMarker', last.uploadId)
    : element('NextKeyMarker', encode(last.prefix)) + element('NextUploadIdMarker', '');
}

/** Whose the finished object will be, where that is not the bucket's owner. */
function whoseOf(entry: UploadListEntry): { readonly owner?: string } {
  const owner = entry.prefix === undefined ? entry.fields.system[ownerField] : undefined;
  return owner === undefined ? {} : { owner };
}

function renderUpload(entry: UploadListEntry, encode: NameEncoder, owner: OwnerOf): string {
  if (entry.prefix !== undefined)
    return wrap('CommonPrefixes', element('Prefix', encode(entry.prefix)));
  const whose = owner(whoseOf(entry));
  const inner =
    element('Key', encode(entry.name)) +
    element('UploadId', entry.uploadId) +
    wrap('Initiator', whose) +
    wrap('Owner', whose) +
    element('StorageClass', storageClassOf(entry.fields.system)) +
    element('Initiated', listingDate(entry.startedUs));
  return wrap('Upload', inner);
}
