/**
 * What a blob's id says of how it is stored.
 *
 * A replicated blob's id is 32 hexadecimal digits. An erasure-coded one's goes on with six more: format, k and m, two digits each;
 * so rows, settings that changed and processes that never saw the settings all agree on how to read it. A fragment's id has
 * the fragment's number behind that: it is a blob of its own on its device. All share the hash of the 32 digits.
 */
import { Failure } from '#common';

export interface Code {
  /** Data fragments: so many are needed to read. */
  readonly k: number;
  /** Parity fragments: so many may be lost. */
  readonly m: number;
}

export const fragmentFormat = 1;
export const fragmentsMax = 64;

/** Digits of the random part, which alone decides the place. */
export const stemDigits = 32;
export const codedIdDigits = 38;
export const fragmentIdDigits = 40;

export function codedId(stem: string, { k, m }: Code): string {
  return stem + [fragmentFormat, k, m].map(twoDigits).join('');
}

/** Undefined for a replicated blob. */
export function codeOfId(id: string): Code | undefined {
  if (id.length !== codedIdDigits && id.length !== fragmentIdDigits) return undefined;
  const [format, k, m] = [
    byteAt(id, stemDigits),
    byteAt(id, stemDigits + 2),
    byteAt(id, stemDigits + 4),
  ];
  if (format === fragmentFormat && k >= 1 && m >= 1 && k + m <= fragmentsMax) return { k, m };
  throw new Failure(
    'invalid',
    'bad-blob-id',
    'A blob is stored in a way that this version does not know',
    {
      facts: { id, format, k, m },
    },
  );
}

export function stemOf(id: string): string {
  return id.slice(0, stemDigits);
}

export function fragmentId(blobId: string, index: number): string {
  return blobId + twoDigits(index);
}

export function isFragmentId(id: string): boolean {
  return id.length === fragmentIdDigits;
}

/** The fragment's number, and the blob that it is of. */
export function fragmentOf(id: string): { readonly blobId: string; readonly index: number } {
  return { blobId: id.slice(0, codedIdDigits), index: byteAt(id, codedIdDigits) };
}

/**
 * So many fragments are on disk before a write is acknowledged: as many of the parity fragments again as may be lost at that moment. It is
 * what a majority is to copies, which half of (rounded down) may be lost or late: 5 of 4+2, 10 of 8+4.
 */
export function fragmentsToWrite({ k, m }: Code): number {
  return k + Math.ceil(m / 2);
}

function twoDigits(value: number): string {
  return value.toString(16).padStart(2, '0');
}

function byteAt(id: string, at: number): number {
  return Number.parseInt(id.slice(at, at + 2), 16);
}
