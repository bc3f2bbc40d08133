import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { multiply } from './field.ts';
import { parityRows } from './matrix.ts';
import { ReedSolomon } from './reed-solomon.ts';

/** Random bytes from a seed, without a generator's state. */
function bytesOf(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed * 2654435761 + 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

/** The code by its definition, a byte at a time. */
function modelParity(data: readonly Buffer[], m: number, length: number): Buffer[] {
  return parityRows(data.length, m).map((row) =>
    Buffer.from(
      Array.from({ length }, (_, at) =>
        data.reduce((sum, one, column) => sum ^ multiply(row[column] ?? 0, one[at] ?? 0), 0),
      ),
    ),
  );
}

function* choices(from: readonly number[], count: number): Generator<number[]> {
  if (count === 0) yield [];
  for (const [at, first] of from.entries())
    if (count > 0)
      for (const rest of choices(from.slice(at + 1), count - 1)) yield [first, ...rest];
}

describe('a Reed–Solomon code', () => {
  it('computes the parity that its definition says, for any shape and length, in any pieces', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 700 }),
        fc.integer({ min: 0, max: 700 }),
        (k, m, length, cut) => {
          const data = Array.from({ length: k }, (_, at) => bytesOf(at + 1, length));
          const pieces = data.map((one) => [one.subarray(0, cut), one.subarray(cut)]);
          const parity = new ReedSolomon(k, m).encode(pieces, length);
          expect(parity).toEqual(modelParity(data, m, length));
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });

  it('goes on past what it works on at a time', () => {
    const length = 40_001;
    const data = Array.from({ length: 3 }, (_, at) => bytesOf(at + 3, length));
    const parity = new ReedSolomon(3, 2).encode(
      data.map((one) => [one]),
      length,
    );
    expect(parity).toEqual(modelParity(data, 2, length));
  });

  it('has these factors for ever, since they are what is on disks', () => {
    const shown = (k: number, m: number) =>
      parityRows(k, m).map((row) => Buffer.from(row).toString('hex'));
    expect(shown(4, 2)).toEqual(['01010101', 'a646bb7b']);
    expect(shown(8, 4)).toEqual([
      '0101010101010101',
      '9cac99dcab3c975c',
      'a62c4626bb307b48',
      'b47bbbeba6e6e246',
    ]);
  });

  it.each([
    [4, 2],
    [8, 4],
    [3, 3],
    [1, 2],
  ])('of %i+%i gives the same bytes whichever fragments are lost', (k, m) => {
    const length = 208;
    const code = new ReedSolomon(k, m);
    const data = Array.from({ length: k }, (_, at) => bytesOf(at + 7, length));
    const whole = [
      ...data,
      ...code.encode(
        data.map((one) => [one]),
        length,
      ),
    ];
    const all = whole.map((_, at) => at);
    let patterns = 0;
    for (let losses = 1; losses <= m; losses++)
      for (const lost of choices(all, losses)) {
        const present = new Map(
          all.filter((at) => !lost.includes(at)).map((at) => [at, [whole[at] ?? Buffer.alloc(0)]]),
        );
        const found = code.recover(present, lost, length);
        expect(found.every((one, at) => whole[lost[at] ?? -1]?.equals(one))).toBe(true);
        patterns += 1;
      }
    expect(patterns).toBeGreaterThanOrEqual(m);
  });

  it('counts a fragment that ends early as if zeroes followed', () => {
    const code = new ReedSolomon(2, 1);
    const [parity] = code.encode([[Buffer.from('abcd')], [Buffer.from('x')]], 4);
    expect(parity).toEqual(Buffer.from([0x61 ^ 0x78, 0x62, 0x63, 0x64]));
  });

  it('refuses to make a stripe from too few', () => {
    const present = new Map([[0, [Buffer.alloc(16)]]]);
    expect(() => new ReedSolomon(2, 1).recover(present, [1], 16)).toThrow(/too few/);
  });

  it('refuses shapes that there is no code for', () => {
    expect(() => new ReedSolomon(0, 2)).toThrow(/k ≥ 1/);
    expect(() => new ReedSolomon(250, 10)).toThrow(/255/);
  });
});
