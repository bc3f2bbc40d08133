/** A blob as the store knows it, and its text in the index. */
import { crc32c } from '@node-rs/crc32';
import { blockBytes } from '../blobs/block-sums.ts';
import { append, begin, finish, numberAt } from '../index/text-numbers.ts';

export interface BlobState {
  readonly length: number;
  readonly lost: boolean;
  /** The file that holds it, or 0 when it lies in its log record. */
  readonly slot: number;
  readonly recordLength: number;
  /** From the record's start to the bytes of an inline blob. */
  readonly bodyAt: number;
  /** CRC32C of each block, four bytes little-endian. */
  readonly table: Buffer;
  file: number;
  offset: number;
}

const crcUnits = 5;
const fixedUnits = 29;

export function encodeBlobState(key: string, state: BlobState): string {
  begin();
  append(state.length, 4);
  append(state.lost ? 1 : 0, 1);
  append(state.slot, 6);
  append(state.recordLength, 4);
  append(state.bodyAt, 4);
  append(state.file, 5);
  append(state.offset, 5);
  for (let at = 0; at < state.table.length; at += 4) append(state.table.readUInt32LE(at), 5);
  const value = finish();
  begin();
  append(crc32c(key + value), crcUnits);
  return finish() + value;
}

/** Undefined when the entry's checksum does not hold. */
export function decodeBlobState(key: string, text: string): BlobState | undefined {
  const value = text.slice(crcUnits);
  if (value.length < fixedUnits || numberAt(text, 0, crcUnits) !== crc32c(key + value))
    return undefined;
  const blocks = (value.length - fixedUnits) / 5;
  const table = Buffer.allocUnsafe(blocks * 4);
  for (let block = 0; block < blocks; block++)
    table.writeUInt32LE(numberAt(value, fixedUnits + block * 5, 5), block * 4);
  return {
    length: numberAt(value, 0, 4),
    lost: numberAt(value, 4, 1) !== 0,
    slot: numberAt(value, 5, 6),
    recordLength: numberAt(value, 11, 4),
    bodyAt: numberAt(value, 15, 4),
    file: numberAt(value, 19, 5),
    offset: numberAt(value, 24, 5),
    table,
  };
}

/** The length alone, for listings. */
export function lengthOf(text: string): number {
  return numberAt(text, crcUnits, 4);
}

/** Whether the copy waits for repair, for digests. */
export function isLostText(text: string): boolean {
  return numberAt(text, crcUnits + 4, 1) !== 0;
}

/** The meta of a blob's record: block size, length, slot, and the table. */
export function encodeDescriptor(length: number, slot: number, table: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(16 + table.length);
  bytes.writeUInt32LE(blockBytes, 0);
  bytes.writeUInt32LE(length, 4);
  bytes.writeUIntLE(slot, 8, 6);
  bytes.writeUInt16LE(0, 14);
  table.copy(bytes, 16);
  return bytes;
}

export function decodeDescriptor(
  meta: Buffer,
): { length: number; slot: number; table: Buffer } | undefined {
  if (meta.length < 16 || meta.length % 4 !== 0 || meta.readUInt32LE(0) !== blockBytes)
    return undefined;
  const length = meta.readUInt32LE(4);
  if (Math.ceil(length / blockBytes) * 4 !== meta.length - 16) return undefined;
  return { length, slot: meta.readUIntLE(8, 6), table: Buffer.from(meta.subarray(16)) };
}
