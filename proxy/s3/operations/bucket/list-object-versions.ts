/** ListObjectVersions: every version and every delete marker, names in order, the newest of each first. */

import type {
  ListVersions,
  Page,
  VersionListEntry,
  VersionSummary,
} from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { listedChecksum } from '../../checksum-headers.ts';
import type { Operation } from '../../context.ts';
import { listingDate } from '../../http-date.ts';
import { listedEtag } from '../../manifest-etag.ts';
import { pageLimit } from '../../numbers.ts';
import { type OwnerOf, ownerElementsOf } from '../../owner-element.ts';
import { xmlReply } from '../../reply.ts';
import { invalidArgument } from '../../s3-failure.ts';
import { standardClass } from '../../storage-class.ts';
import { element, s3Document, wrap } from '../../xml/write.ts';
import { type NameEncoder, nameEncoder } from './list-entries.ts';

export const listObjectVersions: Operation = async (request, services) => {
  const { query } = request;
  const container = await openBucket({ ...request, key: '' }, services, 's3:ListBucketVersions');
  const value = (name: string) => query.get(name) ?? '';
  const [prefix, delimiter] = [value('prefix'), value('delimiter')];
  const [keyMarker, idMarker] = [value('key-marker'), value('version-id-marker')];
  if (!/^(|null|[\w.-]{16,})$/.test(idMarker))
    throw invalidArgument('version-id-marker', idMarker, 'Invalid version id specified');
  if (keyMarker === '' && idMarker !== '')
    throw invalidArgument(
      'version-id-marker',
      idMarker,
      'A version-id marker cannot be specified without a key marker.',
    );
  const limit = pageLimit(query, 'max-keys');
  const encode = nameEncoder(query);
  const wanted: ListVersions = {
    limit,
    ...(prefix === '' ? {} : { prefix }),
    ...(delimiter === '' ? {} : { delimiter }),
    ...(keyMarker === '' ? {} : { nameMarker: keyMarker }),
    ...(idMarker === '' ? {} : { versionMarker: idMarker }),
  };
  const page: Page<VersionListEntry> =
    limit === 0
      ? { entries: [], more: false }
      : await services.objects.containers.listVersions(container, wanted);
  const owner = await ownerElementsOf(page.entries, container.account, services);
  const last = page.more ? page.entries.at(-1) : undefined;
  const inner =
    element('Name', request.bucket) +
    element('Prefix', encode(prefix)) +
    element('KeyMarker', encode(keyMarker)) +
    element('VersionIdMarker', idMarker) +
    (last === undefined ? '' : nextMarkers(last, encode)) +
    element('MaxKeys', limit) +
    (query.has('delimiter') ? element('Delimiter', encode(delimiter)) : '') +
    (query.has('encoding-type') ? element('EncodingType', 'url') : '') +
    element('IsTruncated', page.more) +
    page.entries.map((entry) => renderEntry(entry, encode, owner)).join('');
  return xmlReply(200, s3Document('ListVersionsResult', inner));
};

function nextMarkers(last: VersionListEntry, encode: NameEncoder): string {
  if (last.prefix !== undefined) return element('NextKeyMarker', encode(last.prefix));
  return (
    element('NextKeyMarker', encode(last.name)) + element('NextVersionIdMarker', last.position)
  );
}

function renderEntry(entry: VersionListEntry, encode: NameEncoder, owner: OwnerOf): string {
  if (entry.prefix !== undefined)
    return wrap('CommonPrefixes', element('Prefix', encode(entry.prefix)));
  const head =
    element('Key', encode(entry.name)) +
    element('VersionId', entry.versionId) +
    element('IsLatest', entry.isLatest) +
    element('LastModified', listingDate(entry.modifiedUs));
  return entry.isDeleteMarker
    ? wrap('DeleteMarker', head + owner(entry))
    : wrap('Version', head + renderBody(entry) + owner(entry));
}

function renderBody(version: VersionSummary): string {
  const { size, storageClass } = version;
  return (
    element('ETag', `"${listedEtag(version)}"`) +
    listedChecksum(version.checksums) +
    element('Size', size) +
    element('StorageClass', storageClass ?? standardClass)
  );
}
