/** Fills a new volume from a stream of bytes; what is zero is not stored. */
import { Failure } from '#common';
import { pageBytes } from '../volume/units.ts';
import type { Volume } from '../volume/volume.ts';

const chunkBytes = 1024 * 1024;
const zeros = Buffer.alloc(chunkBytes);

/** Returns how many bytes came; the rest of the volume stays zero. Fails `invalid` when they are more than the volume has. */
export async function fillVolume(volume: Volume, source: AsyncIterable<Buffer>): Promise<number> {
  const gathered = Buffer.alloc(chunkBytes);
  let filled = 0;
  let offset = 0;
  const emit = async () => {
    await writeChunk(volume, offset, gathered, filled);
    offset += filled;
    filled = 0;
  };
  for await (const bytes of source) {
    if (offset + filled + bytes.length > volume.sizeBytes) {
      throw new Failure('invalid', 'image-too-large', 'The image is larger than the volume', {
        facts: { sizeBytes: volume.sizeBytes },
      });
    }
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(chunkBytes - filled, bytes.length - at);
      bytes.copy(gathered, filled, at, at + count);
      filled += count;
      at += count;
      if (filled === chunkBytes) await emit();
    }
  }
  const total = offset + filled;
  // The last sector of an image of odd length is filled up with zeros.
  const padded = Math.min(Math.ceil(filled / 512) * 512, chunkBytes);
  gathered.fill(0, filled, padded);
  filled = padded;
  if (filled > 0) await emit();
  return total;
}

async function writeChunk(
  volume: Volume,
  offset: number,
  chunk: Buffer,
  length: number,
): Promise<void> {
  if (isZero(chunk, 0, length)) return;
  for (let at = 0; at < length; ) {
    let end = at;
    while (end < length && !isZero(chunk, end, Math.min(end + pageBytes, length))) end += pageBytes;
    const until = Math.min(end, length);
    if (until > at) await volume.write(offset + at, chunk, at, until - at);
    at = until === at ? at + pageBytes : until;
  }
}

function isZero(bytes: Buffer, from: number, until: number): boolean {
  return bytes.compare(zeros, 0, until - from, from, until) === 0;
}
