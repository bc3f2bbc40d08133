/**
 * The bytes of the write log (docs/formats/volume-log.md): batches, each on a page of its own, each with the entries and the data that
 * its segment got since the batch before.
 */
import { EntryList, entriesMax, entryBytes } from './entries.ts';
import type { LineCipher } from './line-cipher.ts';
import type { SegmentExtent } from './segment-format.ts';
import { pageBytes, roundUp, sectorBytes, segmentBytesMax } from './units.ts';
import { corruptFormat, crc32c, headerCrc, readU64, volumeIdBytes, writeU64 } from './words.ts';

const magic = 0x424c5650; // "PVLB"
const version = 3;
const fixedBytes = 96;
const crcAt = 88;

/** Whose batches a log file holds. */
export interface LogLabel {
  /** The 16 bytes of the volume's id as hexadecimal. */
  readonly volume: string;
  readonly number: number;
  readonly epoch: number;
}

export interface Batch {
  readonly volumeId: string;
  readonly number: number;
  readonly epoch: number;
  readonly index: number;
  readonly previous: SegmentExtent;
  /** How many segments must follow its own, or that doesn't count either. */
  readonly together: number;
  readonly entries: EntryList;
  /** Which of the entries are in this batch. */
  readonly from: number;
  readonly until: number;
  /** Where the batch's data begins in the segment's. */
  readonly dataOffset: number;
  readonly data: Buffer;
}

export function batchHeaderBytes(entryCount: number): number {
  return roundUp(fixedBytes + entryCount * entryBytes, pageBytes);
}

/** What a batch takes in the log file. */
export function batchBytes(entryCount: number, dataBytes: number): number {
  return batchHeaderBytes(entryCount) + roundUp(dataBytes, pageBytes);
}

export function encodeBatchHeader(batch: Batch): Buffer {
  const count = batch.until - batch.from;
  const target = Buffer.alloc(batchHeaderBytes(count));
  target.writeUInt32LE(magic, 0);
  target.writeUInt16LE(version, 4);
  target.writeUInt16LE(batch.together, 6);
  target.writeUInt32LE(target.length, 8);
  target.writeUInt32LE(batch.data.length, 12);
  volumeIdBytes(batch.volumeId).copy(target, 16);
  writeU64(target, batch.number, 32);
  writeU64(target, batch.epoch, 40);
  target.writeUInt32LE(batch.index, 48);
  target.writeUInt32LE(batch.from, 52);
  target.writeUInt32LE(count, 56);
  target.writeUInt32LE(batch.dataOffset, 60);
  target.writeUInt32LE(batch.previous.entries, 64);
  target.writeUInt32LE(batch.previous.dataBytes, 68);
  target.writeUInt32LE(crc32c(batch.data), 72);
  batch.entries.encode(target, fixedBytes, batch.from, batch.until);
  target.writeUInt32LE(headerCrc(target, crcAt), crcAt);
  return target;
}

/** What a log file holds of a segment: all batches from the first that follow one another without a gap. */
export interface LoggedSegment {
  readonly label: LogLabel;
  readonly previous: SegmentExtent;
  readonly together: number;
  readonly entries: EntryList;
  readonly data: Buffer;
}

/** Whose batches begin here; undefined when there is no valid batch header. `source` need hold one page only. */
export function peekLabel(source: Buffer): LogLabel | undefined {
  if (source.length < fixedBytes || source.readUInt32LE(0) !== magic) return undefined;
  const its = source.readUInt16LE(4);
  if (its < 1 || its > version) throw corruptFormat('log-version');
  return {
    volume: source.toString('hex', 16, 32),
    number: readU64(source, 32),
    epoch: readU64(source, 40),
  };
}

/** Reads a whole log file; a torn or stale tail ends it. Undefined when not even the first batch is whole. */
export function decodeLog(source: Buffer, cipher?: LineCipher): LoggedSegment | undefined {
  const entries = new EntryList();
  const pieces: Buffer[] = [];
  let label: LogLabel | undefined;
  let previous: SegmentExtent = { entries: 0, dataBytes: 0 };
  let together = 0;
  let dataBytes = 0;
  for (let at = 0, index = 0; ; index++) {
    const header = wholeHeader(source, at);
    if (header === undefined || header.readUInt32LE(48) !== index) break;
    const its = peekLabel(header);
    if (its === undefined || (label !== undefined && !sameLabel(label, its))) break;
    const data = source.subarray(at + header.length, at + header.length + header.readUInt32LE(12));
    const follows =
      header.readUInt32LE(52) === entries.count && header.readUInt32LE(60) === dataBytes;
    if (!follows || !wholeData(header, data)) break;
    const sectors = entries.decode(header, fixedBytes, header.readUInt32LE(56));
    if (sectors * sectorBytes !== data.length) throw corruptFormat('log-data-length');
    label ??= its;
    previous = { entries: header.readUInt32LE(64), dataBytes: header.readUInt32LE(68) };
    together = Math.max(together, header.readUInt16LE(6));
    const sector = dataBytes / sectorBytes;
    pieces.push(cipher === undefined ? data : cipher.openBatch(data, its, sector));
    dataBytes += data.length;
    at += header.length + roundUp(data.length, pageBytes);
  }
  if (label === undefined) return undefined;
  return { label, previous, together, entries, data: Buffer.concat(pieces) };
}

function sameLabel(a: LogLabel, b: LogLabel): boolean {
  return a.volume === b.volume && a.number === b.number && a.epoch === b.epoch;
}

function wholeHeader(source: Buffer, at: number): Buffer | undefined {
  if (at + pageBytes > source.length || source.readUInt32LE(at) !== magic) return undefined;
  const headerBytes = source.readUInt32LE(at + 8);
  const count = source.readUInt32LE(at + 56);
  if (count > entriesMax || headerBytes !== batchHeaderBytes(count)) return undefined;
  if (at + headerBytes > source.length) return undefined;
  const header = source.subarray(at, at + headerBytes);
  return headerCrc(header, crcAt) === header.readUInt32LE(crcAt) ? header : undefined;
}

function wholeData(header: Buffer, data: Buffer): boolean {
  const length = header.readUInt32LE(12);
  if (length > segmentBytesMax || data.length !== length) return false;
  return crc32c(data) === header.readUInt32LE(72);
}
