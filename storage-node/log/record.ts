/**
 * One record of the log: a fixed head with its key, then meta, then body, each with a CRC32C of its own, so that a
 * record whose body went bad still tells which row it was. `docs/formats/device-log.md` is the byte table.
 */
import { crc32c } from '@node-rs/crc32';
import { readVersion, type Version, writeVersion } from '#wire';

export const recordTypes = {
  accept: 1,
  promise: 2,
  blobInline: 3,
  blobFile: 4,
  blobDelete: 5,
  fence: 6,
  rowForget: 7,
} as const;

export const flagDeleted = 1;
/** The content went bad and only the head is left of it: the copy is corrupt, not missing. */
export const flagLost = 2;
/** With `flagLost`: the meta is gone as well, zeroes stand in its place. */
export const flagMetaLost = 4;

export const recordMagic = 0x43524c50;
const recordVersion = 1;
export const fixedBytes = 72;
export const recordAlignment = 8;
/** Longest key: table 16, partition 1,024 and sort 2,048 bytes. */
export const keyBytesMax = 16 + 1024 + 2048;
export const recordMetaBytesMax = 4 * 1024 * 1024;
export const recordBodyBytesMax = 4 * 1024 * 1024;

/**
 * What a record says. For blobs `partition` is the id, for fences `partition` is the scope and `bytes` the epoch;
 * for rows that are forgotten `bytes` is the time left behind.
 */
export interface RecordFields {
  readonly type: number;
  readonly flags: number;
  readonly hash: number;
  readonly table: string;
  readonly partition: string;
  readonly sort: string;
  readonly version: Version;
  readonly bytes: number;
  readonly meta: Buffer;
  readonly body: readonly Buffer[];
  readonly bodyLength: number;
}

/** The head of a record as it was found, and where its parts are. */
export interface RecordHead extends Omit<RecordFields, 'meta' | 'body'> {
  readonly group: number;
  readonly ordinal: number;
  readonly headBytes: number;
  readonly metaLength: number;
  readonly metaCrc: number;
  readonly bodyCrc: number;
  /** Whole length with padding. */
  readonly length: number;
}

export function padded(length: number): number {
  return (length + recordAlignment - 1) & ~(recordAlignment - 1);
}

export function headBytesOf(fields: {
  readonly table: string;
  readonly partition: string;
  readonly sort: string;
}): number {
  const { table, partition, sort } = fields;
  return fixedBytes + table.length + Buffer.byteLength(partition) + Buffer.byteLength(sort);
}

/** The most room the record can take; cheap, for finding a place before encoding. */
export function lengthBound(fields: RecordFields): number {
  const keyBound = fields.table.length + 3 * (fields.partition.length + fields.sort.length);
  return padded(fixedBytes + keyBound + fields.meta.length + fields.bodyLength);
}

export interface Encoded {
  readonly length: number;
  readonly headBytes: number;
  readonly metaCrc: number;
  readonly bodyCrc: number;
}

/**
 * `seed` starts the head's checksum and differs between devices, so that bytes which a client stored, or a file of
 * another device, never pass for a record when a damaged stretch is searched for the next one.
 */
export interface Stamp {
  readonly group: number;
  /** Which of the group's records this is, from 0. */
  readonly ordinal: number;
  readonly seed: number;
}

/** Writes the record at `at`; the caller has made sure of `lengthBound` bytes. */
export function encodeRecord(
  target: Buffer,
  at: number,
  stamp: Stamp,
  fields: RecordFields,
): Encoded {
  const tableAt = at + fixedBytes;
  const partitionAt = tableAt + target.write(fields.table, tableAt, 'latin1');
  const sortAt = partitionAt + target.write(fields.partition, partitionAt, 'utf8');
  const metaAt = sortAt + target.write(fields.sort, sortAt, 'utf8');
  target.set(fields.meta, metaAt);
  const bodyAt = metaAt + fields.meta.length;
  let end = bodyAt;
  for (const chunk of fields.body) {
    target.set(chunk, end);
    end += chunk.length;
  }
  const length = padded(end - at);
  target.fill(0, end, at + length);
  const metaCrc = fields.meta.length === 0 ? 0 : crc32c(target.subarray(metaAt, bodyAt));
  const bodyCrc = end === bodyAt ? 0 : crc32c(target.subarray(bodyAt, end));
  target.writeUInt32LE(recordMagic, at);
  target[at + 8] = recordVersion;
  target[at + 9] = fields.type;
  target.writeUInt16LE(fields.flags, at + 10);
  target.writeUIntLE(stamp.group, at + 12, 6);
  target.writeUInt16LE(partitionAt - tableAt, at + 18);
  target.writeUInt16LE(sortAt - partitionAt, at + 20);
  target.writeUInt16LE(metaAt - sortAt, at + 22);
  target.writeUInt32LE(fields.hash, at + 24);
  writeVersion(target, at + 28, fields.version);
  target.writeUInt32LE(fields.bytes % 2 ** 32, at + 40);
  target.writeUInt32LE(Math.floor(fields.bytes / 2 ** 32), at + 44);
  target.writeUInt32LE(fields.meta.length, at + 48);
  target.writeUInt32LE(fields.bodyLength, at + 52);
  target.writeUInt32LE(metaCrc, at + 56);
  target.writeUInt32LE(bodyCrc, at + 60);
  target.writeUInt32LE(stamp.ordinal, at + 64);
  target.writeUInt32LE(0, at + 68);
  target.writeUInt32LE(crc32c(target.subarray(at + 8, metaAt), stamp.seed), at + 4);
  return { length, headBytes: metaAt - at, metaCrc, bodyCrc };
}

/** The head at `at`, or undefined when there is none whose checksum holds within `source`. */
export function parseHead(source: Buffer, at: number, seed: number): RecordHead | undefined {
  if (at + fixedBytes > source.length || source.readUInt32LE(at) !== recordMagic) return undefined;
  const tableLength = source.readUInt16LE(at + 18);
  const partitionLength = source.readUInt16LE(at + 20);
  const sortLength = source.readUInt16LE(at + 22);
  const headBytes = fixedBytes + tableLength + partitionLength + sortLength;
  if (headBytes > fixedBytes + keyBytesMax || at + headBytes > source.length) return undefined;
  if (crc32c(source.subarray(at + 8, at + headBytes), seed) !== source.readUInt32LE(at + 4))
    return undefined;
  if (source[at + 8] !== recordVersion) return undefined;
  const metaLength = source.readUInt32LE(at + 48);
  const bodyLength = source.readUInt32LE(at + 52);
  if (metaLength > recordMetaBytesMax || bodyLength > recordBodyBytesMax) return undefined;
  const tableAt = at + fixedBytes;
  const partitionAt = tableAt + tableLength;
  const sortAt = partitionAt + partitionLength;
  return {
    type: source[at + 9] ?? 0,
    flags: source.readUInt16LE(at + 10),
    group: source.readUIntLE(at + 12, 6),
    ordinal: source.readUInt32LE(at + 64),
    hash: source.readUInt32LE(at + 24),
    table: source.toString('latin1', tableAt, partitionAt),
    partition: source.toString('utf8', partitionAt, sortAt),
    sort: source.toString('utf8', sortAt, at + headBytes),
    version: readVersion(source, at + 28),
    bytes: source.readUInt32LE(at + 40) + source.readUInt32LE(at + 44) * 2 ** 32,
    headBytes,
    metaLength,
    bodyLength,
    metaCrc: source.readUInt32LE(at + 56),
    bodyCrc: source.readUInt32LE(at + 60),
    length: padded(headBytes + metaLength + bodyLength),
  };
}

/** True when the bytes are those that the checksum was made of. */
export function matches(bytes: Buffer, crc: number): boolean {
  return bytes.length === 0 ? crc === 0 : crc32c(bytes) === crc;
}
