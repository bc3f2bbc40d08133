/** The units of the volume engine. Addresses inside it are sectors; the outside world speaks bytes. */
import { Failure } from '#common';

export const sectorBytes = 512;
/** A line is what is read from the store, checked and cached as one. */
export const lineBytes = 64 * 1024;
export const sectorsPerLine = lineBytes / sectorBytes;
/** Log batches begin on such a boundary, so that no later write touches a page that was promised to be on disk. */
export const pageBytes = 4096;

/** An extent's offset and length are 16 bits each (`extent-map.ts`), hence at most 32 MiB of data in a segment. */
export const segmentBytesMax = 65_536 * sectorBytes;
/** 2^52 sectors would be exact, but nobody has tried that. 1 PiB. */
export const volumeBytesMax = 2 ** 50;

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Refuses what is not made of whole sectors inside a volume of `sizeBytes`. */
export function checkRange(offset: number, length: number, sizeBytes: number): void {
  const whole = offset % sectorBytes === 0 && length % sectorBytes === 0;
  if (whole && offset >= 0 && length >= 0 && offset + length <= sizeBytes) return;
  throw new Failure('invalid', 'bad-range', 'The range is not made of sectors of this volume', {
    facts: { offset, length, sizeBytes },
  });
}
