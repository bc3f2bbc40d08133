/** The names of everything in the index; `docs/formats/device-index.md` lists them. */
import type { BlobKey, PartitionName, RowKey } from '#wire';

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

export const formatKey = 'i';
export const indexFormat = '2';
/** Last batch known to be on disk. */
export const checkpointKey = 'c';
/** Written by a clean close, gone while the device is open. */
export const cleanKey = 'd';

/** What rows of one partition key have in front of their sort key: a ring partition is a range of these. */
export function partitionPrefix(table: string, partition: string, hash: number): string {
  return `r${hex(hash, 8)}${table}\u0000${hex(partition.length, 4)}${partition}`;
}

export function rowKeyText(key: RowKey): string {
  return partitionPrefix(key.table, key.partition, key.hash) + key.sort;
}

export function aggregateKey(prefix: string): string {
  return `a${prefix}`;
}

/** The least text of a hash of at least so much; `hash` may be 2^32. */
export function hashFloor(hash: number): string {
  return hash >= 2 ** 32 ? 'g' : hex(hash, 8);
}

/** The partition key behind `r` of a row's key or `ar` of an aggregate's, and where its sort key begins. */
function nameAt(text: string, start: number): PartitionName & { readonly end: number } {
  const tableEnd = text.indexOf('\u0000', start);
  const partitionAt = tableEnd + 5;
  const end = partitionAt + Number.parseInt(text.slice(tableEnd + 1, partitionAt), 16);
  return {
    hash: Number.parseInt(text.slice(start, start + 8), 16),
    table: text.slice(start + 8, tableEnd),
    partition: text.slice(partitionAt, end),
    end,
  };
}

export function nameOfAggregate(text: string): PartitionName {
  const { table, partition, hash } = nameAt(text, 2);
  return { table, partition, hash };
}

export function rowKeyOf(text: string): RowKey {
  const { table, partition, hash, end } = nameAt(text, 1);
  return { table, partition, hash, sort: text.slice(end) };
}

export function promiseKey(rowKey: string): string {
  return `p${rowKey}`;
}

export function quarantineKey(name: string): string {
  return `q${name}`;
}

export function blobKeyText(key: BlobKey): string {
  return `b${hex(key.hash, 8)}${key.id}`;
}

export function blobKeyOf(text: string): BlobKey {
  return { hash: Number.parseInt(text.slice(1, 9), 16), id: text.slice(9) };
}

export function fenceKey(scope: string): string {
  return `e${scope}`;
}

export function fileKey(number: number): string {
  return `f${hex(number, 8)}`;
}

/** The chain of batches: a number without a gap for each batch since the checkpoint. */
export function chainKey(batch: number): string {
  return `n${hex(batch, 12)}`;
}

export function chainNumber(text: string): number {
  return Number.parseInt(text.slice(1), 16);
}
