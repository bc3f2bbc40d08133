/** The front of a blob's own file, so that the file explains itself; `docs/formats/device-blob-file.md`. */
import { crc32c } from '@node-rs/crc32';
import { blockBytes } from './block-sums.ts';

export const blobHeaderBytes = 8192;
const blobMagic = 'PILEUSBF';
const tableAt = 48;
/** Version 1 has ids of 16 bytes. Version 2 has four more, of a fragment, at the end of the header. */
const idBytes = 16;
const fragmentAt = blobHeaderBytes - 8;
const fragmentBytes = 4;

export interface BlobHeader {
  readonly id: string;
  readonly hash: number;
  readonly length: number;
  /** CRC32C of each block, four bytes little-endian. */
  readonly table: Buffer;
}

export function encodeBlobHeader(header: BlobHeader): Buffer {
  const bytes = Buffer.alloc(blobHeaderBytes);
  bytes.write(blobMagic, 0, 'latin1');
  const isFragment = header.id.length > idBytes * 2;
  bytes.writeUInt16LE(isFragment ? 2 : 1, 8);
  bytes.writeUInt16LE(blobHeaderBytes, 10);
  bytes.writeUInt32LE(blockBytes, 12);
  bytes.write(header.id, 16, idBytes, 'hex');
  if (isFragment) bytes.write(header.id.slice(idBytes * 2), fragmentAt, fragmentBytes, 'hex');
  bytes.writeUInt32LE(header.hash, 32);
  bytes.writeUInt32LE(header.length, 36);
  bytes.writeUInt32LE(header.table.length / 4, 40);
  header.table.copy(bytes, tableAt);
  bytes.writeUInt32LE(sumOf(bytes, tableAt + header.table.length), 44);
  return bytes;
}

function sumOf(bytes: Buffer, tableEnd: number): number {
  const sum = crc32c(bytes.subarray(tableAt, tableEnd), crc32c(bytes.subarray(0, 44)));
  if (bytes.readUInt16LE(8) === 1) return sum;
  return crc32c(bytes.subarray(fragmentAt, fragmentAt + fragmentBytes), sum);
}

/** Undefined when it is none, or damaged. */
export function decodeBlobHeader(bytes: Buffer): BlobHeader | undefined {
  if (bytes.length < blobHeaderBytes || bytes.toString('latin1', 0, 8) !== blobMagic)
    return undefined;
  const version = bytes.readUInt16LE(8);
  if (version !== 1 && version !== 2) return undefined;
  const end = tableAt + bytes.readUInt32LE(40) * 4;
  if (end > fragmentAt) return undefined;
  if (sumOf(bytes, end) !== bytes.readUInt32LE(44)) return undefined;
  const fragment =
    version === 1 ? '' : bytes.toString('hex', fragmentAt, fragmentAt + fragmentBytes);
  return {
    id: bytes.toString('hex', 16, 16 + idBytes) + fragment,
    hash: bytes.readUInt32LE(32),
    length: bytes.readUInt32LE(36),
    table: Buffer.from(bytes.subarray(tableAt, end)),
  };
}
