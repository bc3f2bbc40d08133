import { describe, expect, it } from 'vitest';
import { seededRandom } from '#common';
import { ExtentMap, type Found } from './extent-map.ts';

interface Plain {
  readonly slot: number;
  readonly offset: number;
}

const found = (): Found => ({ slot: -1, offset: 0, sectors: 0 });

function check(map: ExtentMap, plain: readonly (Plain | undefined)[], base: number): void {
  const at = found();
  for (let sector = 0; sector < plain.length; ) {
    map.locate(base + sector, at);
    const until = Math.min(sector + at.sectors, plain.length);
    expect(at.sectors).toBeGreaterThan(0);
    for (let behind = 0; sector < until; behind++, sector++) {
      const seen = at.slot < 0 ? undefined : { slot: at.slot, offset: at.offset + behind };
      expect(seen).toEqual(plain[sector]);
    }
  }
}

describe('the extent map', () => {
  it.each([0, 2 ** 31 - 1500])('equals an array of sectors, base %i', (base) => {
    for (let seed = 1; seed <= 4; seed++) {
      const random = seededRandom(seed);
      const plain: (Plain | undefined)[] = new Array(3000).fill(undefined);
      const live = new Map<number, number>();
      const map = new ExtentMap((slot, sectors) => live.set(slot, (live.get(slot) ?? 0) - sectors));
      for (let step = 0; step < 3000; step++) {
        const sectors = 1 + random.below(step % 100 === 0 ? 900 : 4);
        const start = random.below(plain.length - sectors);
        if (random.below(10) === 0) {
          map.cut(base + start, sectors);
          plain.fill(undefined, start, start + sectors);
        } else {
          const offset = random.below(60_000);
          map.put(base + start, sectors, step, offset);
          live.set(step, (live.get(step) ?? 0) + sectors);
          for (let at = 0; at < sectors; at++)
            plain[start + at] = { slot: step, offset: offset + at };
        }
        if (step % 500 === 499) check(map, plain, base);
      }
      const expected = new Map<number, number>();
      for (const piece of plain)
        if (piece !== undefined) expected.set(piece.slot, (expected.get(piece.slot) ?? 0) + 1);
      for (const [slot, sectors] of live) expect(sectors).toBe(expected.get(slot) ?? 0);
    }
  });

  it('joins what was written one after another', () => {
    const map = new ExtentMap(() => {});
    for (let at = 0; at < 16_384; at += 8) map.put(1000 + at, 8, 3, at);
    expect(map.extents).toBe(1);
    expect(map.isHole(0, 1000)).toBe(true);
    expect(map.isHole(0, 1001)).toBe(false);
  });

  it('keeps a snapshot as it was', () => {
    const map = new ExtentMap(() => {});
    for (let at = 0; at < 4000; at++) map.put(at * 8, 4, at, 0);
    const before = map.snapshot();
    const bytes = [...before.regions.values()].flat().map((leaf) => Buffer.from(leaf.bytes()));
    for (let at = 0; at < 4000; at += 3) map.put(at * 8, 8, 9, 1);
    map.cut(0, 3000);
    const after = [...before.regions.values()].flat().map((leaf) => Buffer.from(leaf.bytes()));
    expect(Buffer.concat(after).equals(Buffer.concat(bytes))).toBe(true);
    expect(before.extents).toBe(4000);
  });

  it('takes at most 16 bytes for a random 4 KiB write', () => {
    const random = seededRandom(7);
    const map = new ExtentMap(() => {});
    for (let at = 0; at < 200_000; at++) map.put(random.below(2 ** 28) * 8, 8, 1, at % 60_000);
    let bytes = 0;
    for (const leaves of map.snapshot().regions.values())
      for (const leaf of leaves) bytes += leaf.words.buffer.byteLength + 120;
    expect(bytes / map.extents).toBeLessThan(16);
  });
});
