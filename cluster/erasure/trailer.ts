/** The end of every fragment: what it is, whatever became of its name (`docs/formats/erasure-fragment.md`). */
import { crc32c } from '@node-rs/crc32';
import { Failure } from '#common';
import { type Code, codedId, fragmentFormat } from './code.ts';
import { fragmentDataBytes, segmentBytes } from './layout.ts';

export const trailerBytes = 64;
const magic = 'PILEUSEC';

export interface Trailer {
  /** Of the whole blob. */
  readonly blobId: string;
  readonly code: Code;
  readonly index: number;
  readonly blobLength: number;
  /** CRC32C of the blob's bytes. */
  readonly blobSum: number;
}

export function encodeTrailer({ blobId, code, index, blobLength, blobSum }: Trailer): Buffer {
  const bytes = Buffer.alloc(trailerBytes);
  bytes.write(magic, 0, 'latin1');
  bytes[8] = fragmentFormat;
  bytes[9] = code.k;
  bytes[10] = code.m;
  bytes[11] = index;
  bytes.writeUInt32LE(segmentBytes, 12);
  bytes.write(blobId, 16, 16, 'hex');
  bytes.writeUInt32LE(blobLength, 32);
  bytes.writeUInt32LE(blobSum, 36);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** Throws `corrupt` when it is none of this fragment. */
export function decodeTrailer(bytes: Buffer, blobId: string, code: Code, index: number): Trailer {
  const stem = bytes.toString('hex', 16, 32);
  const good =
    bytes.length === trailerBytes &&
    bytes.toString('latin1', 0, 8) === magic &&
    bytes.readUInt32LE(60) === crc32c(bytes.subarray(0, 60)) &&
    bytes[8] === fragmentFormat &&
    codedId(stem, { k: bytes[9] ?? 0, m: bytes[10] ?? 0 }) === blobId &&
    bytes[11] === index &&
    bytes.readUInt32LE(12) === segmentBytes;
  if (!good)
    throw new Failure('corrupt', 'blob-corrupt', 'A fragment is not what its name says', {
      facts: { blobId, index },
    });
  return {
    blobId,
    code,
    index,
    blobLength: bytes.readUInt32LE(32),
    blobSum: bytes.readUInt32LE(36),
  };
}

export function fragmentBytes(code: Code, blobLength: number): number {
  return fragmentDataBytes(code, blobLength) + trailerBytes;
}
