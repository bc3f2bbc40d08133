/**
 * The matrices of the code. A stripe is k bytes, one per data fragment; each parity fragment's byte is a sum of them with
 * the factors of its row. Any k of the k + m bytes determine all, because every square part of a Cauchy matrix can be inverted.
 *
 * Invariant: factors never change for a given (k, m): they are what is on the disks (format 1 of `docs/formats/erasure-fragment.md`).
 */
import { Failure } from '#common';
import { inverse, multiply } from './field.ts';

/** Factors of the data fragments, one row per parity fragment. */
export function parityRows(k: number, m: number): Uint8Array[] {
  const cauchy = Array.from({ length: m }, (_, row) =>
    Uint8Array.from({ length: k }, (__, column) => inverse((k + row) ^ column)),
  );
  const first = cauchy[0] ?? new Uint8Array(k).fill(1);
  // Columns scaled so that the first row is all ones: that fragment is an exclusive or, and mends a single loss as cheaply.
  return cauchy.map((row) =>
    row.map((value, column) => multiply(value, inverse(first[column] ?? 1))),
  );
}

/** Factors of fragment `index` in terms of the data. */
export function generatorRow(k: number, parity: readonly Uint8Array[], index: number): Uint8Array {
  const row = parity[index - k];
  if (row !== undefined) return row;
  return Uint8Array.from({ length: k }, (_, column) => Number(column === index));
}

/** The factors by which each wanted fragment is the sum of the `k` present ones. */
export function recoveryRows(
  k: number,
  m: number,
  present: readonly number[],
  wanted: readonly number[],
): Uint8Array[] {
  const parity = parityRows(k, m);
  const back = invert(present.map((index) => generatorRow(k, parity, index)));
  return wanted.map((index) => timesMatrix(generatorRow(k, parity, index), back));
}

function timesMatrix(row: Uint8Array, matrix: readonly Uint8Array[]): Uint8Array {
  const sum = new Uint8Array(row.length);
  for (const [at, factor] of row.entries()) addScaled(sum, matrix[at] ?? sum, factor);
  return sum;
}

/** Gauss and Jordan. */
function invert(matrix: readonly Uint8Array[]): Uint8Array[] {
  const size = matrix.length;
  const rows = matrix.map((row, at) => {
    const wide = new Uint8Array(size * 2);
    wide.set(row);
    wide[size + at] = 1;
    return wide;
  });
  for (let column = 0; column < size; column++) {
    const pivot = takePivot(rows, column);
    scale(pivot, inverse(pivot[column] ?? 0));
    for (const row of rows) if (row !== pivot) addScaled(row, pivot, row[column] ?? 0);
  }
  return rows.map((row) => row.slice(size));
}

function takePivot(rows: Uint8Array[], column: number): Uint8Array {
  for (let at = column; at < rows.length; at++) {
    const row = rows[at];
    const other = rows[column];
    if (row === undefined || other === undefined || row[column] === 0) continue;
    rows[at] = other;
    rows[column] = row;
    return row;
  }
  throw new Failure('bug', 'fragments-repeat', 'The same fragment was given twice');
}

function scale(row: Uint8Array, factor: number): void {
  for (const [at, value] of row.entries()) row[at] = multiply(value, factor);
}

function addScaled(row: Uint8Array, other: Uint8Array, factor: number): void {
  if (factor === 0) return;
  for (const [at, value] of other.entries()) row[at] = (row[at] ?? 0) ^ multiply(value, factor);
}
