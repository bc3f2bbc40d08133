/** Blob ids and their place. */
import { Failure, type Random, randomHex } from '#common';
import { type BlobKey, blobBytesMax } from '#wire';
import type { KeyHasher } from './key-hash.ts';

const idPattern = /^[0-9a-f]{32}$/;

export function newBlobId(random: Random): string {
  return randomHex(random, 16);
}

export function blobKeyOf(hasher: KeyHasher, id: string): BlobKey {
  if (!idPattern.test(id))
    throw new Failure('invalid', 'bad-blob-id', 'A blob id is 32 lower-case hexadecimal digits');
  return { id, hash: hasher.ofBlob(id) };
}

export function bytesOf(chunks: readonly Buffer[]): number {
  let bytes = 0;
  for (const chunk of chunks) bytes += chunk.length;
  return bytes;
}

export function checkBlobBytes(bytes: number): void {
  if (bytes <= blobBytesMax) return;
  throw new Failure('invalid', 'blob-too-large', 'A blob is larger than blobs may be', {
    facts: { bytes, blobBytesMax },
  });
}
