/** Arithmetic in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), whose generator is 2. Addition is exclusive or. */
import { strict as assert } from 'node:assert';

const polynomial = 0x11d;
const powers = new Uint8Array(510);
const logarithms = new Uint8Array(256);

for (let power = 0, value = 1; power < 255; power++) {
  powers[power] = value;
  powers[power + 255] = value;
  logarithms[value] = power;
  value <<= 1;
  if (value > 255) value ^= polynomial;
}

export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return powers[at(logarithms, a) + at(logarithms, b)] ?? 0;
}

export function inverse(a: number): number {
  assert(a > 0 && a < 256, 'an inverse exists of what is not zero');
  return powers[255 - at(logarithms, a)] ?? 0;
}

function at(table: Uint8Array, index: number): number {
  const value = table[index];
  assert(value !== undefined, 'an element of the field');
  return value;
}
