/** Additional checksums in responses: `x-amz-checksum-ALGORITHM` and their type. */
import type { Fields } from '../objects/index.ts';
import { checksumAlgorithms } from './body/checksum-algorithms.ts';
import { headerOf } from './body/declared-checksum.ts';
import { element } from './xml/write.ts';

/** Whether the checksum covers the object's bytes or the checksums of its parts. */
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export function checksumType(checksums: Fields): ChecksumType {
  return checksums.type === 'COMPOSITE' ? 'COMPOSITE' : 'FULL_OBJECT';
}

export function checksumHeaders(checksums: Fields): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const algorithm of checksumAlgorithms) {
    const value = checksums[algorithm];
    if (value === undefined) continue;
    headers[headerOf(algorithm)] = value;
    headers['x-amz-checksum-type'] = checksumType(checksums);
  }
  return headers;
}

/** `ChecksumAlgorithm` and `ChecksumType`, as listings show them. */
export function listedChecksum(checksums: Fields | undefined): string {
  if (checksums === undefined) return '';
  const algorithm = checksumAlgorithms.find((name) => checksums[name] !== undefined);
  if (algorithm === undefined) return '';
  return (
    element('ChecksumAlgorithm', algorithm.toUpperCase()) +
    element('ChecksumType', checksumType(checksums))
  );
}

/** `ChecksumCRC32` and so on; with the type when `typed`. */
export function checksumElements(checksums: Fields, typed: boolean): string {
  let inner = '';
  for (const algorithm of checksumAlgorithms) {
    const value = checksums[algorithm];
    if (value !== undefined) inner += element(`Checksum${algorithm.toUpperCase()}`, value);
  }
  return inner !== '' && typed ? inner + element('ChecksumType', checksumType(checksums)) : inner;
}
