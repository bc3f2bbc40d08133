/** The `Range` header, S3's way: one range of bytes; several, or anything not understood, mean the whole object. */
import { S3Failure } from './s3-failure.ts';

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

const form = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i;

/** Undefined for the whole object; throws when the range lies beyond its end. */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = header === undefined ? null : form.exec(header);
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') return suffix(Number(last), size, header);
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) throw unsatisfiable(header, size);
  return { offset: start, length: end - start + 1 };
}

function suffix(wanted: number, size: number, header: string | undefined): ByteRange {
  const length = Math.min(wanted, size);
  if (length === 0) throw unsatisfiable(header, size);
  return { offset: size - length, length };
}

function unsatisfiable(header: string | undefined, size: number): S3Failure {
  return new S3Failure('InvalidRange', {
    details: { RangeRequested: header ?? '', ActualObjectSize: String(size) },
    headers: { 'content-range': `bytes */${size}` },
  });
}
