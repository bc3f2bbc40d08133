/** The front of a blob's own file, so that the file explains itself; `docs/formats/device-blob-file.md`. */
import { crc32c } from '@node-rs/crc32';
import { blockBytes } from './block-sums.ts';

export const blobHeaderBytes = 8192;
const blobMagic = 'PILEUSBF';
const blobVersion = 1;
const tableAt = 48;

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
  bytes.writeUInt16LE(blobVersion, 8);
  bytes.writeUInt16LE(blobHeaderBytes, 10);
  bytes.writeUInt32LE(blockBytes, 12);
  bytes.write(header.id, 16, 'hex');
  bytes.writeUInt32LE(header.hash, 32);
  bytes.writeUInt32LE(header.length, 36);
  bytes.writeUInt32LE(header.table.length / 4, 40);
  header.table.copy(bytes, tableAt);
  const end = tableAt + header.table.length;
  bytes.writeUInt32LE(crc32c(bytes.subarray(48, end), crc32c(bytes.subarray(0, 44))), 44);
  return bytes;
}

/** Undefined when it is none, or damaged. */
export function decodeBlobHeader(bytes: Buffer): BlobHeader | undefined {
  if (bytes.length < blobHeaderBytes || bytes.toString('latin1', 0, 8) !== blobMagic)
    return undefined;
  if (bytes.readUInt16LE(8) !== blobVersion) return undefined;
  const end = tableAt + bytes.readUInt32LE(40) * 4;
  if (end > blobHeaderBytes) return undefined;
  const crc = crc32c(bytes.subarray(48, end), crc32c(bytes.subarray(0, 44)));
  if (crc !== bytes.readUInt32LE(44)) return undefined;
  return {
    id: bytes.toString('hex', 16, 32),
    hash: bytes.readUInt32LE(32),
    length: bytes.readUInt32LE(36),
    table: Buffer.from(bytes.subarray(tableAt, end)),
  };
}
