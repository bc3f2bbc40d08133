/** The parts of frames that carry rows and blobs, to bytes and back. Field numbers are those of `proto/device.proto`. */
import { Failure } from '#common';
import type {
  Aggregate,
  BlobInfo,
  BlobKey,
  BlobWriteOptions,
  DeviceState,
  DeviceStatus,
  Fence,
  Row,
  RowKey,
  RowWrite,
  ScanPage,
  ScanRequest,
} from '../device-service.ts';
import { blobIdPattern, scanRowsMax } from '../device-service.ts';
import { noVersion, type Version } from '../versions.ts';
import { badMessage, type Decoder } from './decoder.ts';
import type { Encoder } from './encoder.ts';

const empty: Buffer = Buffer.alloc(0);

export function writeKey(to: Encoder, field: number, key: RowKey): void {
  const start = to.begin(field);
  to.string(1, key.table);
  to.string(2, key.partition);
  to.string(3, key.sort);
  to.fixed32(4, key.hash);
  to.end(start);
}

export function readKey(from: Decoder): RowKey {
  let table = '';
  let partition = '';
  let sort = '';
  let hash = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) table = from.string();
    else if (field === 2) partition = from.string();
    else if (field === 3) sort = from.string();
    else if (field === 4) hash = from.fixed32();
    else from.skip();
  }
  return { table, partition, sort, hash };
}

export function writeVersionField(to: Encoder, field: number, version: Version): void {
  const start = to.begin(field);
  to.fixed64(1, version.timeUs);
  to.fixed32(2, version.coordinator);
  to.end(start);
}

export function readVersionField(from: Decoder): Version {
  let timeUs = 0;
  let coordinator = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) timeUs = from.fixed64();
    else if (field === 2) coordinator = from.fixed32();
    else from.skip();
  }
  return { timeUs, coordinator };
}

export function writeRow(to: Encoder, field: number, row: Row): void {
  const start = to.begin(field);
  to.string(1, row.sort);
  writeVersionField(to, 2, row.version);
  to.bool(3, row.deleted);
  if (row.meta.length > 0) to.bytes(4, row.meta);
  to.uint(5, row.bytes);
  to.uint(6, row.bodyLength);
  if (row.body !== undefined) to.bytes(7, row.body);
  to.end(start);
}

export function readRow(from: Decoder): Row {
  let sort = '';
  let version = noVersion;
  let deleted = false;
  let meta = empty;
  let bytes = 0;
  let bodyLength = 0;
  let body: Buffer | undefined;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) sort = from.string();
    else if (field === 2) version = readVersionField(from.message());
    else if (field === 3) deleted = from.bool();
    else if (field === 4) meta = from.bytes();
    else if (field === 5) bytes = from.uint();
    else if (field === 6) bodyLength = from.uint32();
    else if (field === 7) body = from.bytes();
    else from.skip();
  }
  const row = { sort, version, deleted, meta, bytes, bodyLength };
  return body === undefined ? row : { ...row, body };
}

export function writeRowWrite(to: Encoder, field: number, write: RowWrite): void {
  const start = to.begin(field);
  writeKey(to, 1, write.key);
  writeVersionField(to, 2, write.version);
  to.bool(3, write.deleted);
  if (write.meta.length > 0) to.bytes(4, write.meta);
  to.uint(5, write.bytes);
  if (write.body.length > 0) to.bytes(6, write.body);
  to.bool(7, write.copied === true);
  to.end(start);
}

export function readRowWrite(from: Decoder): RowWrite {
  let key: RowKey | undefined;
  let version = noVersion;
  let deleted = false;
  let meta = empty;
  let bytes = 0;
  let body = empty;
  let copied = false;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) key = readKey(from.message());
    else if (field === 2) version = readVersionField(from.message());
    else if (field === 3) deleted = from.bool();
    else if (field === 4) meta = from.bytes();
    else if (field === 5) bytes = from.uint();
    else if (field === 6) body = from.bytes();
    else if (field === 7) copied = from.bool();
    else from.skip();
  }
  if (key === undefined) throw badMessage('a row without key');
  const write = { key, version, deleted, meta, bytes, body };
  return copied ? { ...write, copied } : write;
}

export function writeScan(to: Encoder, field: number, scan: ScanRequest): void {
  const start = to.begin(field);
  to.string(1, scan.table);
  to.string(2, scan.partition);
  to.fixed32(3, scan.hash);
  if (scan.from !== undefined) to.string(4, scan.from);
  to.bool(5, scan.inclusive === true);
  if (scan.until !== undefined) to.string(6, scan.until);
  to.bool(7, scan.reverse === true);
  to.uint(8, scan.limit);
  to.end(start);
}

export function readScan(from: Decoder): ScanRequest {
  let table = '';
  let partition = '';
  let hash = 0;
  let start: string | undefined;
  let inclusive = false;
  let until: string | undefined;
  let reverse = false;
  let limit = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) table = from.string();
    else if (field === 2) partition = from.string();
    else if (field === 3) hash = from.fixed32();
    else if (field === 4) start = from.string();
    else if (field === 5) inclusive = from.bool();
    else if (field === 6) until = from.string();
    else if (field === 7) reverse = from.bool();
    else if (field === 8) limit = from.uint32();
    else from.skip();
  }
  return {
    table,
    partition,
    hash,
    inclusive,
    reverse,
    limit,
    ...(start === undefined ? {} : { from: start }),
    ...(until === undefined ? {} : { until }),
  };
}

export function writeScanPage(to: Encoder, field: number, page: ScanPage): void {
  const start = to.begin(field);
  for (const row of page.rows) writeRow(to, 1, row);
  to.bool(2, page.more);
  writeAggregate(to, 3, page.aggregate);
  to.end(start);
}

export function readScanPage(from: Decoder): ScanPage {
  const rows: Row[] = [];
  let more = false;
  let aggregate: Aggregate = { rows: 0, bytes: 0, digest: '' };
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) {
      if (rows.length >= scanRowsMax) throw badMessage('too many rows');
      rows.push(readRow(from.message()));
    } else if (field === 2) more = from.bool();
    else if (field === 3) aggregate = readAggregate(from.message());
    else from.skip();
  }
  return { rows, more, aggregate };
}

export function writeAggregate(to: Encoder, field: number, aggregate: Aggregate): void {
  const start = to.begin(field);
  to.uint(1, aggregate.rows);
  to.uint(2, aggregate.bytes);
  to.string(3, aggregate.digest);
  to.end(start);
}

export function readAggregate(from: Decoder): Aggregate {
  let rows = 0;
  let bytes = 0;
  let digest = '';
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) rows = from.uint();
    else if (field === 2) bytes = from.uint();
    else if (field === 3) digest = from.string();
    else from.skip();
  }
  return { rows, bytes, digest };
}

export function writeBlobKey(to: Encoder, field: number, key: BlobKey): void {
  const start = to.begin(field);
  if (!blobIdPattern.test(key.id))
    throw new Failure('invalid', 'bad-request', 'A blob id is 32 or 40 lower-case hex digits');
  to.bytes(1, Buffer.from(key.id, 'hex'));
  to.fixed32(2, key.hash);
  to.end(start);
}

export function readBlobKey(from: Decoder): BlobKey {
  let id = empty;
  let hash = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) id = from.bytes();
    else if (field === 2) hash = from.fixed32();
    else from.skip();
  }
  if (id.length !== 16 && id.length !== 20) throw badMessage('blob id');
  return { id: id.toString('hex'), hash };
}

export function writeFence(to: Encoder, field: number, fence: Fence): void {
  const start = to.begin(field);
  to.string(1, fence.scope);
  to.uint(2, fence.epoch);
  to.end(start);
}

export function readFence(from: Decoder): Fence {
  let scope = '';
  let epoch = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) scope = from.string();
    else if (field === 2) epoch = from.uint();
    else from.skip();
  }
  return { scope, epoch };
}

export interface BlobOpening {
  readonly key: BlobKey;
  readonly options: BlobWriteOptions;
}

export function writeOpening(to: Encoder, field: number, opening: BlobOpening): void {
  const { fence, lengthHint } = opening.options;
  const start = to.begin(field);
  writeBlobKey(to, 1, opening.key);
  if (fence !== undefined) writeFence(to, 2, fence);
  if (lengthHint !== undefined) to.uint(3, lengthHint);
  to.end(start);
}

export function readOpening(from: Decoder): BlobOpening {
  let key: BlobKey | undefined;
  let fence: Fence | undefined;
  let lengthHint: number | undefined;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) key = readBlobKey(from.message());
    else if (field === 2) fence = readFence(from.message());
    else if (field === 3) lengthHint = from.uint();
    else from.skip();
  }
  if (key === undefined) throw badMessage('a blob without key');
  const options = {
    ...(fence === undefined ? {} : { fence }),
    ...(lengthHint === undefined ? {} : { lengthHint }),
  };
  return { key, options };
}

export function writeBlobInfo(to: Encoder, field: number, info: BlobInfo): void {
  const start = to.begin(field);
  writeBlobKey(to, 1, info);
  to.uint(2, info.length);
  to.end(start);
}

export function readBlobInfo(from: Decoder): BlobInfo {
  let key: BlobKey | undefined;
  let length = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) key = readBlobKey(from.message());
    else if (field === 2) length = from.uint();
    else from.skip();
  }
  if (key === undefined) throw badMessage('a blob without key');
  return { ...key, length };
}

const states: readonly DeviceState[] = ['ok', 'full', 'read-only', 'failed', 'closed'];

export function writeStatus(to: Encoder, field: number, status: DeviceStatus): void {
  const start = to.begin(field);
  to.string(1, status.state);
  statusNumbers.forEach((name, index) => {
    to.uint(index + 2, status[name]);
  });
  to.bool(9, status.refilling === true);
  to.end(start);
}

const statusNumbers = [
  'totalBytes',
  'freeBytes',
  'usedBytes',
  'deadBytes',
  'rows',
  'blobs',
  'quarantined',
] as const;

export function readStatus(from: Decoder): DeviceStatus {
  let state: DeviceState | undefined;
  const numbers = [0, 0, 0, 0, 0, 0, 0];
  let refilling = false;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) {
      const word = from.string();
      state = states.find((known) => known === word);
    } else if (field === 9) refilling = from.bool();
    else if (field - 2 < numbers.length) numbers[field - 2] = from.uint();
    else from.skip();
  }
  if (state === undefined) throw badMessage('device state');
  const [totalBytes = 0, freeBytes = 0, usedBytes = 0, deadBytes = 0, rows = 0] = numbers;
  const [, , , , , blobs = 0, quarantined = 0] = numbers;
  const status = { state, totalBytes, freeBytes, usedBytes, deadBytes, rows, blobs, quarantined };
  return refilling ? { ...status, refilling } : status;
}
