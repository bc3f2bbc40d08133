/** The bytes of a segment blob (docs/formats/volume-segment.md): a header with all its entries, then the data in checked lines. */
import { EntryList, entriesMax, entryBytes } from './entries.ts';
import type { LineCipher } from './line-cipher.ts';
import type { SegmentName } from './segments.ts';
import { lineBytes, pageBytes, roundUp, sectorBytes, segmentBytesMax } from './units.ts';
import { corruptFormat, crc32c, headerCrc, readU64, volumeIdBytes, writeU64 } from './words.ts';

const magic = 0x47535650; // "PVSG"
const version = 3;
const fixedBytes = 64;
const crcAt = 60;
export const lineTrailerBytes = 16;
/** A line as it lies in the blob. */
export const storedLineBytes = lineBytes + lineTrailerBytes;
export const segmentHeaderBytesMax = roundUp(fixedBytes + entriesMax * entryBytes, pageBytes);

/** How much a segment holds: what the one after it must have seen to belong behind it. */
export interface SegmentExtent {
  readonly entries: number;
  readonly dataBytes: number;
}

export interface SegmentHeader {
  readonly volumeId: string;
  readonly number: number;
  readonly epoch: number;
  readonly headerBytes: number;
  readonly dataBytes: number;
  readonly previous: SegmentExtent;
  /** How many segments must follow it, or it doesn't count either. */
  readonly together: number;
  readonly entries: EntryList;
}

export function segmentHeaderBytes(entryCount: number): number {
  return roundUp(fixedBytes + entryCount * entryBytes, pageBytes);
}

export function encodeSegmentHeader(header: Omit<SegmentHeader, 'headerBytes'>): Buffer {
  const headerBytes = segmentHeaderBytes(header.entries.count);
  const target = Buffer.alloc(headerBytes);
  target.writeUInt32LE(magic, 0);
  target.writeUInt16LE(version, 4);
  target.writeUInt16LE(header.together, 6);
  target.writeUInt32LE(headerBytes, 8);
  target.writeUInt32LE(header.entries.count, 12);
  volumeIdBytes(header.volumeId).copy(target, 16);
  writeU64(target, header.number, 32);
  writeU64(target, header.epoch, 40);
  target.writeUInt32LE(header.dataBytes, 48);
  target.writeUInt32LE(header.previous.entries, 52);
  target.writeUInt32LE(header.previous.dataBytes, 56);
  header.entries.encode(target, fixedBytes, 0, header.entries.count);
  target.writeUInt32LE(headerCrc(target, crcAt), crcAt);
  return target;
}

/** How long the header is that begins with these bytes (64 at least). */
export function segmentHeaderLength(source: Buffer): number {
  if (source.length < fixedBytes || source.readUInt32LE(0) !== magic)
    throw corruptFormat('segment-magic');
  const its = source.readUInt16LE(4);
  if (its < 1 || its > version) throw corruptFormat('segment-version');
  const headerBytes = source.readUInt32LE(8);
  if (headerBytes < pageBytes || headerBytes > segmentHeaderBytesMax)
    throw corruptFormat('segment-header-length', { headerBytes });
  return headerBytes;
}

export function decodeSegmentHeader(source: Buffer, volumeId: string): SegmentHeader {
  const headerBytes = segmentHeaderLength(source);
  if (source.length < headerBytes) throw corruptFormat('segment-header-short');
  const header = source.subarray(0, headerBytes);
  if (headerCrc(header, crcAt) !== header.readUInt32LE(crcAt))
    throw corruptFormat('segment-header-checksum');
  if (!header.subarray(16, 32).equals(volumeIdBytes(volumeId)))
    throw corruptFormat('segment-of-another-volume');
  const count = header.readUInt32LE(12);
  if (segmentHeaderBytes(count) !== headerBytes) throw corruptFormat('segment-entries', { count });
  const entries = new EntryList();
  const dataBytes = header.readUInt32LE(48);
  const dataSectors = entries.decode(header, fixedBytes, count);
  if (dataSectors * sectorBytes !== dataBytes || dataBytes > segmentBytesMax)
    throw corruptFormat('segment-data-length', { dataBytes });
  return {
    volumeId,
    number: readU64(header, 32),
    epoch: readU64(header, 40),
    headerBytes,
    dataBytes,
    previous: { entries: header.readUInt32LE(52), dataBytes: header.readUInt32LE(56) },
    together: header.readUInt16LE(6),
    entries,
  };
}

/** The data as it lies in the blob: every line followed by its trailer. The data itself is not copied unless it is sealed. */
export function encodeLines(
  data: Buffer,
  segment: { readonly number: number; readonly epoch: number },
  cipher?: LineCipher,
): Buffer[] {
  const { number, epoch } = segment;
  const count = Math.ceil(data.length / lineBytes);
  const trailers = Buffer.alloc(count * lineTrailerBytes);
  const chunks: Buffer[] = [];
  for (let line = 0; line < count; line++) {
    const plain = data.subarray(line * lineBytes, (line + 1) * lineBytes);
    const bytes = cipher === undefined ? plain : cipher.seal(plain, { number, epoch, line });
    const trailer = trailers.subarray(line * lineTrailerBytes, (line + 1) * lineTrailerBytes);
    trailer.writeUInt32LE(line, 4);
    writeU64(trailer, number, 8);
    trailer.writeUInt32LE(crc32c(trailer.subarray(4), crc32c(bytes)), 0);
    chunks.push(bytes, trailer);
  }
  return chunks;
}

/** Where a line lies in its blob, and how much data it holds. */
export function placeOfLine(
  segment: { readonly headerBytes: number; readonly dataBytes: number; readonly raw?: boolean },
  line: number,
): { readonly offset: number; readonly dataBytes: number; readonly storedBytes: number } {
  const dataBytes = Math.min(lineBytes, segment.dataBytes - line * lineBytes);
  if (segment.raw === true)
    return { offset: segment.headerBytes + line * lineBytes, dataBytes, storedBytes: dataBytes };
  const offset = segment.headerBytes + line * storedLineBytes;
  return { offset, dataBytes, storedBytes: dataBytes + lineTrailerBytes };
}

/** The checked data of a line, out of its stored form. The store has checked the bytes of a raw segment itself. */
export function openLine(
  stored: Buffer,
  dataBytes: number,
  segment: Pick<SegmentName, 'number' | 'epoch' | 'raw' | 'cipher'>,
  line: number,
): Buffer {
  const { number, epoch, cipher } = segment;
  if (segment.raw === true) {
    // The last sector of an image of odd length is filled up with zeros.
    if (stored.length > dataBytes - sectorBytes) return padded(stored, dataBytes);
    throw corruptFormat('raw-line-short', { line });
  }
  if (stored.length < dataBytes + lineTrailerBytes)
    throw corruptFormat('line-short', { number, line });
  const data = stored.subarray(0, dataBytes);
  const trailer = stored.subarray(dataBytes, dataBytes + lineTrailerBytes);
  const belongs = trailer.readUInt32LE(4) === line && readU64(trailer, 8) === number;
  if (!belongs || crc32c(trailer.subarray(4), crc32c(data)) !== trailer.readUInt32LE(0))
    throw corruptFormat('line-checksum', { number, line });
  return cipher === undefined ? data : cipher.open(data, { number, epoch, line });
}

function padded(stored: Buffer, bytes: number): Buffer {
  if (stored.length >= bytes) return stored.subarray(0, bytes);
  return Buffer.concat([stored, Buffer.alloc(bytes - stored.length)]);
}

export function segmentBlobBytes(headerBytes: number, dataBytes: number): number {
  return headerBytes + dataBytes + Math.ceil(dataBytes / lineBytes) * lineTrailerBytes;
}
