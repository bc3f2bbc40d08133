/** From the callers' row references to the devices' keys, and from the devices' rows back to the callers'. */
import { Failure } from '#common';
import {
  compareVersions,
  type Row,
  type RowKey,
  type RowWrite,
  rowBodyBytesMax,
  rowMetaBytesMax,
  type Version,
} from '#wire';
import type { KeyHasher } from './key-hash.ts';
import type { RowRef, RowValue, StoredRow } from './tables.ts';

export const noBytes = Buffer.alloc(0);

export function keyOf(hasher: KeyHasher, ref: RowRef): RowKey {
  return {
    table: ref.table,
    partition: ref.partition,
    sort: ref.sort,
    hash: hasher.ofPartition(ref.table, ref.partition),
  };
}

export function nameOf(key: RowKey): string {
  return `${key.table}\0${key.partition}\0${key.sort}`;
}

/** The live row, or undefined for none and for a tombstone. */
export function liveRow(row: Row | undefined): StoredRow | undefined {
  return row === undefined || row.deleted ? undefined : row;
}

export function newestOf(rows: Iterable<Row | undefined>): Row | undefined {
  let newest: Row | undefined;
  for (const row of rows) {
    if (row === undefined) continue;
    if (newest === undefined || compareVersions(row.version, newest.version) > 0) newest = row;
  }
  return newest;
}

export function sameVersion(a: Version | undefined, b: Version | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.timeUs === b.timeUs && a.coordinator === b.coordinator;
}

/** What is to be written: a value, or a tombstone for undefined. */
export function writeOf(key: RowKey, version: Version, value: RowValue | undefined): RowWrite {
  if (value === undefined)
    return { key, version, deleted: true, meta: noBytes, bytes: 0, body: noBytes };
  checkSize(value);
  return { key, version, deleted: false, meta: value.meta, bytes: value.bytes, body: value.body };
}

/** The write that makes another replica hold the same row; it must have been read with its body. */
export function copyOf(key: RowKey, row: Row, version: Version): RowWrite {
  const body = row.body ?? noBytes;
  if (body.length !== row.bodyLength)
    throw new Failure('bug', 'row-without-body', 'A row to be copied came without its body', {
      facts: { table: key.table, bodyLength: row.bodyLength },
    });
  return { key, version, deleted: row.deleted, meta: row.meta, bytes: row.bytes, body };
}

export function payloadBytes(write: RowWrite): number {
  return write.meta.length + write.body.length;
}

function checkSize(value: RowValue): void {
  const metaBytes = value.meta.length;
  const bodyBytes = value.body.length;
  if (metaBytes <= rowMetaBytesMax && bodyBytes <= rowBodyBytesMax) return;
  throw new Failure('invalid', 'row-too-large', 'A row is larger than rows may be', {
    facts: { metaBytes, bodyBytes },
  });
}
