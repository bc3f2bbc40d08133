/**
 * The bytes of a checkpoint (docs/formats/volume-checkpoint.md): parts, each a blob that can be read by itself, made of sections:
 * rows of the segment table first, then the extents of each region in order.
 */
import type { ExtentMap, MapSnapshot } from './extent-map.ts';
import { regionSectors } from './extent-region.ts';
import type { Leaf } from './leaf.ts';
import type { LineCipher } from './line-cipher.ts';
import type { SegmentName, SegmentTable } from './segments.ts';
import { sectorBytes } from './units.ts';
import {
  corruptFormat,
  crc32c,
  headerCrc,
  readU64,
  volumeIdBytes,
  volumeIdText,
  writeU64,
} from './words.ts';

const magic = 0x4b435650; // "PVCK"
const version = 2;
const fixedBytes = 64;
const crcAt = 60;
const sectionBytes = 16;
const segmentRowBytes = 64;
const extentBytes = 12;
/** The owner of a raw segment: all bits set. */
const rawOwner = 0xff;
const segmentSection = 1;
const extentSection = 2;
/** A part is closed when it reaches this. */
const partBytes = 8 * 1024 * 1024;
export const checkpointPartBytesMax = 2 * partBytes;

export interface SegmentRow extends Omit<SegmentName, 'cipher'> {
  readonly slot: number;
  readonly death: number;
  readonly headerBytes: number;
  readonly dataBytes: number;
}

export interface CheckpointIdentity {
  readonly volumeId: string;
  readonly epoch: number;
  readonly serial: number;
}

export interface CheckpointContent {
  readonly segments: readonly SegmentRow[];
  readonly map: MapSnapshot;
}

/** The parts one by one, so that a large map never lies in memory twice. */
export function* encodeCheckpoint(
  identity: CheckpointIdentity,
  content: CheckpointContent,
): Generator<Buffer[]> {
  let part = 0;
  let chunks: Buffer[] = [];
  let bytes = 0;
  for (const section of sections(content)) {
    chunks.push(...section);
    bytes += section.reduce((sum, chunk) => sum + chunk.length, 0);
    if (bytes < partBytes) continue;
    yield [partHeader(identity, part++, chunks, bytes), ...chunks];
    chunks = [];
    bytes = 0;
  }
  yield [partHeader(identity, part, chunks, bytes), ...chunks];
}

function* sections(content: CheckpointContent): Generator<Buffer[]> {
  const rowsPerSection = 8192;
  for (let at = 0; at < content.segments.length; at += rowsPerSection) {
    const rows = content.segments.slice(at, at + rowsPerSection);
    yield [sectionHeader(segmentSection, rows.length, 0), ...rows.map(encodeSegmentRow)];
  }
  for (const [region, leaves] of content.map.regions) {
    const leavesPerSection = 256;
    for (let at = 0; at < leaves.length; at += leavesPerSection)
      yield extentsOf(region, leaves.slice(at, at + leavesPerSection));
  }
}

function extentsOf(region: number, leaves: readonly Leaf[]): Buffer[] {
  const count = leaves.reduce((sum, leaf) => sum + leaf.count, 0);
  return [
    sectionHeader(extentSection, count, region),
    ...leaves.map((leaf) => Buffer.from(leaf.bytes())),
  ];
}

function sectionHeader(kind: number, count: number, region: number): Buffer {
  const header = Buffer.alloc(sectionBytes);
  header.writeUInt32LE(kind, 0);
  header.writeUInt32LE(count, 4);
  header.writeUInt32LE(region, 8);
  return header;
}

function encodeSegmentRow(row: SegmentRow): Buffer {
  const target = Buffer.alloc(segmentRowBytes);
  target.writeUInt32LE(row.slot, 0);
  target.writeUInt32LE(row.death, 4);
  writeU64(target, row.number, 8);
  writeU64(target, row.epoch, 16);
  target.write(row.blobId, 24, 'hex');
  target.writeUInt32LE(row.headerBytes, 40);
  target.writeUInt32LE(row.dataBytes, 44);
  if (row.raw === true) target.fill(rawOwner, 48, 64);
  else if (row.owner !== undefined) volumeIdBytes(row.owner).copy(target, 48);
  return target;
}

function partHeader(
  identity: CheckpointIdentity,
  part: number,
  payload: readonly Buffer[],
  payloadBytes: number,
): Buffer {
  const target = Buffer.alloc(fixedBytes);
  target.writeUInt32LE(magic, 0);
  target.writeUInt16LE(version, 4);
  target.writeUInt32LE(fixedBytes, 8);
  target.writeUInt32LE(payloadBytes, 12);
  volumeIdBytes(identity.volumeId).copy(target, 16);
  writeU64(target, identity.epoch, 32);
  writeU64(target, identity.serial, 40);
  target.writeUInt32LE(part, 48);
  target.writeUInt32LE(
    payload.reduce((crc, chunk) => crc32c(chunk, crc), 0),
    52,
  );
  target.writeUInt32LE(headerCrc(target, crcAt), crcAt);
  return target;
}

export interface CheckpointTarget {
  readonly segments: SegmentTable;
  readonly map: ExtentMap;
  readonly sizeBytes: number;
  /** Whose volume is being put together: what others wrote is told apart. */
  readonly volumeId: string;
  readonly cipherOf?: (owner: string) => LineCipher | undefined;
}

/** Adds what a part holds to the table and the map. Parts come in order. */
export function decodeCheckpointPart(
  source: Buffer,
  identity: CheckpointIdentity,
  part: number,
  into: CheckpointTarget,
): void {
  const payload = openPart(source, identity, part);
  for (let at = 0; at < payload.length; ) {
    if (at + sectionBytes > payload.length) throw corruptFormat('checkpoint-section', { part, at });
    const kind = payload.readUInt32LE(at);
    const count = payload.readUInt32LE(at + 4);
    const region = payload.readUInt32LE(at + 8);
    at += sectionBytes;
    const length = count * (kind === segmentSection ? segmentRowBytes : extentBytes);
    if (at + length > payload.length) throw corruptFormat('checkpoint-section', { part, at });
    const section = payload.subarray(at, at + length);
    if (kind === segmentSection) decodeSegmentRows(section, identity.volumeId, into);
    else if (kind === extentSection) decodeExtents(section, region, into);
    else throw corruptFormat('checkpoint-section-kind', { kind });
    at += length;
  }
}

/** The blobs of all segments that a part names, whoever wrote them. */
export function segmentBlobsOf(
  source: Buffer,
  identity: CheckpointIdentity,
  part: number,
): string[] {
  const payload = openPart(source, identity, part);
  const ids: string[] = [];
  for (let at = 0; at < payload.length; ) {
    if (at + sectionBytes > payload.length) throw corruptFormat('checkpoint-section', { part, at });
    const kind = payload.readUInt32LE(at);
    const count = payload.readUInt32LE(at + 4);
    at += sectionBytes;
    const length = count * (kind === segmentSection ? segmentRowBytes : extentBytes);
    if (at + length > payload.length) throw corruptFormat('checkpoint-section', { part, at });
    if (kind === segmentSection)
      for (let row = at; row < at + length; row += segmentRowBytes)
        ids.push(payload.toString('hex', row + 24, row + 40));
    else if (kind !== extentSection) throw corruptFormat('checkpoint-section-kind', { kind });
    at += length;
  }
  return ids;
}

function openPart(source: Buffer, identity: CheckpointIdentity, part: number): Buffer {
  if (source.length < fixedBytes || source.readUInt32LE(0) !== magic)
    throw corruptFormat('checkpoint-magic');
  const its = source.readUInt16LE(4);
  if (its < 1 || its > version) throw corruptFormat('checkpoint-version');
  const header = source.subarray(0, fixedBytes);
  if (headerCrc(header, crcAt) !== header.readUInt32LE(crcAt))
    throw corruptFormat('checkpoint-header-checksum');
  const belongs =
    header.subarray(16, 32).equals(volumeIdBytes(identity.volumeId)) &&
    readU64(header, 32) === identity.epoch &&
    readU64(header, 40) === identity.serial &&
    header.readUInt32LE(48) === part;
  if (!belongs) throw corruptFormat('checkpoint-identity', { part });
  const payload = source.subarray(fixedBytes);
  if (payload.length !== header.readUInt32LE(12))
    throw corruptFormat('checkpoint-length', { part });
  if (crc32c(payload) !== header.readUInt32LE(52))
    throw corruptFormat('checkpoint-checksum', { part });
  return payload;
}

function decodeSegmentRows(section: Buffer, writer: string, into: CheckpointTarget): void {
  const { segments } = into;
  for (let at = 0; at < section.length; at += segmentRowBytes) {
    const named = {
      ...ownerOf(section.subarray(at + 48, at + 64), writer, into),
      number: readU64(section, at + 8),
      epoch: readU64(section, at + 16),
      blobId: section.toString('hex', at + 24, at + 40),
    };
    const headerBytes = section.readUInt32LE(at + 40);
    const segment = segments.addAt(section.readUInt32LE(at), named, headerBytes);
    // Another volume's dead are not ours to bury.
    if (segment.owner === undefined) segment.death = section.readUInt32LE(at + 4);
    segment.dataBytes = section.readUInt32LE(at + 44);
    segment.durable = true;
    segments.dataSectors += segment.dataBytes / sectorBytes;
  }
}

const zeroOwner = Buffer.alloc(16);
const rawOwnerBytes = Buffer.alloc(16, rawOwner);

/** `writer` wrote the checkpoint; zeros stand for itself. */
function ownerOf(bytes: Buffer, writer: string, into: CheckpointTarget): Partial<SegmentName> {
  if (bytes.equals(rawOwnerBytes)) return { raw: true, owner: writer };
  const owner = bytes.equals(zeroOwner) ? writer : volumeIdText(bytes);
  const cipher = into.cipherOf?.(owner);
  return {
    ...(owner === into.volumeId ? {} : { owner }),
    ...(cipher === undefined ? {} : { cipher }),
  };
}

function decodeExtents(section: Buffer, region: number, into: CheckpointTarget): void {
  let end = 0;
  for (let at = 0; at < section.length; at += extentBytes) {
    const start = section.readUInt32LE(at);
    const packed = section.readUInt32LE(at + 4);
    const slot = section.readUInt32LE(at + 8);
    const sectors = (packed >>> 16) + 1;
    const offset = packed & 0xffff;
    const segment = into.segments.get(slot);
    const outside =
      (region * regionSectors + start + sectors) * sectorBytes > into.sizeBytes ||
      (offset + sectors) * sectorBytes > segment.dataBytes;
    if (start < end || outside) throw corruptFormat('checkpoint-extent', { region, start });
    into.map.append(region, start, sectors, slot, offset);
    segment.liveSectors += sectors;
    into.segments.liveSectors += sectors;
    end = start + sectors;
  }
}
