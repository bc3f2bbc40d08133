/** Which parts a completed upload consists of, and the ETag they make. Pure. */
import { createHash } from 'node:crypto';
import { objectFailure } from './failures.ts';
import type { ObjectPart } from './object-service.ts';
import type { PartRow } from './uploads.ts';

export interface WantedPart {
  readonly number: number;
  readonly etag: string;
}

export function chooseParts(
  wanted: readonly WantedPart[],
  present: readonly PartRow[],
  partBytesMin: number,
): readonly PartRow[] {
  if (wanted.length === 0)
    throw objectFailure('part-missing', 'An object needs at least one part', { facts: {} });
  if (wanted.length > 10_000)
    throw objectFailure('too-many-parts', 'An object has at most 10000 parts', {
      facts: { parts: wanted.length },
    });
  const byNumber = new Map(present.map((row) => [row.part.number, row]));
  let last = 0;
  for (const { number } of wanted) {
    if (number <= last)
      throw objectFailure('part-order', 'Parts are to be named in ascending order', {
        facts: { number, after: last },
      });
    last = number;
  }
  return wanted.map(({ number, etag }, at) => {
    const row = byNumber.get(number);
    if (row === undefined || row.part.etag !== etag.toLowerCase())
      throw objectFailure('part-missing', 'The part is not there, or has another ETag', {
        facts: { number, etag },
      });
    if (at < wanted.length - 1 && row.part.size < partBytesMin)
      throw objectFailure('part-too-small', 'Only the last part may be this small', {
        facts: { number, etag, size: row.part.size, min: partBytesMin },
      });
    return row;
  });
}

/** MD5 of the parts' MD5s, and how many they are. */
export function combinedEtag(parts: readonly ObjectPart[]): string {
  const md5 = createHash('md5');
  for (const part of parts) md5.update(part.etag, 'hex');
  return `${md5.digest('hex')}-${parts.length}`;
}
