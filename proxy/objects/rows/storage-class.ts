/** Storage classes as a byte of the row, so that listings can show them. Part of the format: only ever append. */
import type { Fields } from '../fields.ts';

export const storageClassField = 'storage-class';

export const storageClasses: readonly string[] = [
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
  'OUTPOSTS',
  'SNOW',
  'EXPRESS_ONEZONE',
];

export function storageClassCode(system: Fields): number {
  const name = system[storageClassField] ?? 'STANDARD';
  return Math.max(0, storageClasses.indexOf(name));
}

export function storageClassAt(code: number | undefined): string {
  return storageClasses[code ?? 0] ?? 'STANDARD';
}
