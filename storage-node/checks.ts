/** The bounds of everything that reaches a device from outside, checked before anything is touched. */
import type {
  BlobKey,
  BlobWriteOptions,
  Fence,
  RowKey,
  RowWrite,
  ScanRequest,
  Version,
} from '#wire';
import {
  blobBytesMax,
  blobIdPattern,
  blobReadBytesMax,
  rowBodyBytesMax,
  rowMetaBytesMax,
  scanRowsMax,
} from '#wire';
import { badRequest } from './failures.ts';

export const partitionBytesMax = 1024;
export const sortBytesMax = 2048;
export const fenceScopeBytesMax = 64;
export const blobListMax = 10_000;
/** A scan's page ends early once its metas exceed this, whatever the limit of rows. */
export const scanBytesMax = 8 * 1024 * 1024;

const tablePattern = /^[a-z][a-z0-9-]{0,15}$/;

function checkUint32(value: number, name: string): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw badRequest('Not an unsigned 32-bit number', { name, value });
}

function checkCount(value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw badRequest('Not a whole number below 2^53', { name, value });
}

function checkText(text: string, bytesMax: number, name: string): void {
  // A UTF-16 unit is at most three bytes of UTF-8, so short texts need no counting.
  const fits = text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax;
  if (!fits || !text.isWellFormed())
    throw badRequest('Too long, or not well-formed', { name, length: text.length, bytesMax });
}

export function checkPartition(table: string, partition: string, hash: number): void {
  if (!tablePattern.test(table)) throw badRequest('Not the name of a table', { table });
  checkText(partition, partitionBytesMax, 'partition');
  checkUint32(hash, 'hash');
}

export function checkRowKey(key: RowKey): void {
  checkPartition(key.table, key.partition, key.hash);
  checkText(key.sort, sortBytesMax, 'sort');
}

export function checkVersion(version: Version): void {
  checkCount(version.timeUs, 'timeUs');
  checkUint32(version.coordinator, 'coordinator');
}

export function checkRowWrite(write: RowWrite): void {
  checkRowKey(write.key);
  checkVersion(write.version);
  checkCount(write.bytes, 'bytes');
  if (write.meta.length > rowMetaBytesMax)
    throw badRequest('The row is too large', { metaBytes: write.meta.length });
  if (write.body.length > rowBodyBytesMax)
    throw badRequest('The inline body is too large', { bodyBytes: write.body.length });
  if (write.deleted && write.meta.length + write.body.length + write.bytes > 0)
    throw badRequest('A tombstone carries nothing', { sort: write.key.sort });
}

export function checkScan(request: ScanRequest): void {
  checkPartition(request.table, request.partition, request.hash);
  if (request.from !== undefined) checkText(request.from, sortBytesMax, 'from');
  if (request.until !== undefined) checkText(request.until, sortBytesMax, 'until');
  if (!Number.isInteger(request.limit) || request.limit < 1 || request.limit > scanRowsMax)
    throw badRequest('Not a limit a scan may have', { limit: request.limit });
}

export function checkBlobKey(key: BlobKey): void {
  if (!blobIdPattern.test(key.id)) throw badRequest('Not the id of a blob', { id: key.id });
  checkUint32(key.hash, 'hash');
}

export function checkFence(fence: Fence): void {
  checkText(fence.scope, fenceScopeBytesMax, 'scope');
  checkCount(fence.epoch, 'epoch');
}

export function checkBlobWrite(key: BlobKey, options: BlobWriteOptions): void {
  checkBlobKey(key);
  if (options.fence !== undefined) checkFence(options.fence);
  if (options.lengthHint !== undefined) checkBlobLength(options.lengthHint);
}

export function checkBlobLength(length: number): void {
  checkCount(length, 'length');
  if (length > blobBytesMax) throw badRequest('The blob is too large', { length });
}

export function checkBlobRead(key: BlobKey, offset: number, length: number): void {
  checkBlobKey(key);
  checkCount(offset, 'offset');
  checkCount(length, 'length');
  if (length > blobReadBytesMax) throw badRequest('Too much for one read', { length });
}

export function checkBlobList(limit: number, after: BlobKey | undefined): void {
  if (after !== undefined) checkBlobKey(after);
  if (!Number.isInteger(limit) || limit < 1 || limit > blobListMax)
    throw badRequest('Not a limit a blob listing may have', { limit });
}

export function totalLength(chunks: readonly Buffer[]): number {
  let total = 0;
  for (const chunk of chunks) total += chunk.length;
  return total;
}
