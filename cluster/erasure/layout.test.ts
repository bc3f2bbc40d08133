import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codedId, codeOfId, fragmentId, fragmentOf, fragmentsToWrite } from './code.ts';
import { fragmentDataBytes, runBytes, runsWithin, segmentBytes, stepFrom } from './layout.ts';
import { decodeTrailer, encodeTrailer } from './trailer.ts';

const stem = '00112233445566778899aabbccddeeff';

describe('the layout of a coded blob', () => {
  it('finds every byte in exactly one place', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 3 * segmentBytes }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (k, blobLength, from, share) => {
          const code = { k, m: 2 };
          const offset = Math.floor(from * (blobLength - 1));
          const end = offset + Math.max(1, Math.floor(share * (blobLength - offset)));
          let at = offset;
          while (at < end) {
            const length = stepFrom(at, end);
            for (const run of runsWithin(code, blobLength, at, length)) {
              const segment = Math.floor(at / segmentBytes);
              const bytes = runBytes(
                code,
                Math.min(segmentBytes, blobLength - segment * segmentBytes),
              );
              const base = segment * runBytes(code, segmentBytes);
              expect(segment * segmentBytes + run.index * bytes + run.offset - base).toBe(at);
              expect(run.index).toBeLessThan(k);
              expect(run.offset + run.length).toBeLessThanOrEqual(
                fragmentDataBytes(code, blobLength),
              );
              at += run.length;
            }
          }
          expect(at).toBe(end);
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });

  it('costs no more than its code says, and a little padding', () => {
    const code = { k: 4, m: 2 };
    const stored = fragmentDataBytes(code, 10 * segmentBytes + 5) * 6;
    expect(stored).toBeLessThanOrEqual((10 * segmentBytes + 5) * 1.5 + 6 * 16);
  });

  it('is said by the id', () => {
    const id = codedId(stem, { k: 8, m: 4 });
    expect(id).toBe(`${stem}010804`);
    expect(codeOfId(id)).toEqual({ k: 8, m: 4 });
    expect(codeOfId(stem)).toBeUndefined();
    expect(fragmentOf(fragmentId(id, 11))).toEqual({ blobId: id, index: 11 });
    expect(() => codeOfId(`${stem}020804`)).toThrow(/does not know/);
    expect(fragmentsToWrite({ k: 4, m: 2 })).toBe(5);
    expect(fragmentsToWrite({ k: 8, m: 4 })).toBe(10);
  });
});

describe('the trailer of a fragment', () => {
  const code = { k: 4, m: 2 };
  const blobId = codedId(stem, code);
  const trailer = { blobId, code, index: 5, blobLength: 1_500_000, blobSum: 0xdeadbeef };

  it('has these bytes', () => {
    expect(encodeTrailer(trailer).toString('hex')).toBe(
      '50494c45555345430104020500001000' +
        '00112233445566778899aabbccddeeff' +
        '60e31600efbeadde0000000000000000000000000000000000000000ebb9d4d7',
    );
  });

  it('is read back, and refused under any other name', () => {
    const bytes = encodeTrailer(trailer);
    expect(decodeTrailer(bytes, blobId, code, 5)).toEqual(trailer);
    expect(() => decodeTrailer(bytes, blobId, code, 4)).toThrow(/not what its name says/);
    const other = codedId(stem.replace('0', 'f'), code);
    expect(() => decodeTrailer(bytes, other, code, 5)).toThrow(/not what its name says/);
    bytes[33] = 0;
    expect(() => decodeTrailer(bytes, blobId, code, 5)).toThrow(/not what its name says/);
  });
});
