/**
 * Which blobs the object service's rows refer to. Every table of this room stands here: a row of one that does not stops the reclaiming of
 * blobs in the whole cloud, and `test/tidy` says so before.
 */
import type { Referrers, ReferringRow, RowReferences, Tables } from '#cluster';
import { BlobShares } from './blob-shares.ts';
import { decodeObjectRow } from './rows/object-row.ts';
import { partBlobs } from './uploads.ts';

const ofObject: RowReferences = (row, found) => {
  for (const { id } of decodeObjectRow(storedRow(row)).blobs) found(id);
};

const ofPart: RowReferences = (row, found) => {
  for (const { id } of partBlobs(row.meta)) found(id);
};

export const objectReferrers: Referrers = {
  object: ofObject,
  'object-version': ofObject,
  'upload-part': ofPart,
  account: 'nothing',
  container: 'nothing',
  'bucket-name': 'nothing',
  upload: 'nothing',
  // Notes who borrowed what; the borrowers' own rows refer to it.
  'blob-share': 'nothing',
  'object-duty': 'nothing',
  'object-key': 'nothing',
  'dialect-record': 'nothing',
};

/** The last look before a blob is freed: references pass from object to object by lending, faster perhaps than rows are read. */
export function lentBlobs(tables: Tables): (blobId: string) => Promise<boolean> {
  const shares = new BlobShares(tables);
  return (blobId) => shares.isLent(blobId);
}

function storedRow({ sort, meta }: ReferringRow) {
  return { sort, meta, version: { timeUs: 0, coordinator: 0 }, bytes: 0, bodyLength: 0 };
}
