/** Against the real Swift: it reads our rings, we read its rings, and ours are as good for as few moves. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ByteOrder,
  buildRing,
  decodeRingFile,
  encodeRingFile,
  measureRing,
  parseRingSpec,
  type Ring,
} from '../index.ts';
import { type Step, type SwiftFigures, swiftBuild, swiftRead } from './swift.ts';
import { topologies } from './topologies.ts';

/** Swift decides by chance, so single figures scatter by a partition or two of the 512. */
const scatterParts = 2;

interface Compared {
  readonly ours: { readonly moved: number; readonly balance: number; readonly dispersion: number };
  readonly theirs: SwiftFigures;
}

let folder = '';
const compared = new Map<string, Compared[]>();
const rings = new Map<string, Ring[]>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ring-swift-'));
  for (const [name, steps] of Object.entries(topologies)) {
    const theirs = swiftBuild(steps, join(folder, `${fileName(name)}.ring.gz`));
    const ours = buildSteps(steps);
    rings.set(
      name,
      ours.map((one) => one.ring),
    );
    compared.set(
      name,
      theirs.map((figures, index) => ({ ours: at(ours, index).figures, theirs: figures })),
    );
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fileName = (name: string): string => name.replaceAll(' ', '-');

function at<T>(list: readonly T[] | undefined, index: number): T {
  const one = list?.[index];
  if (one === undefined) throw new Error(`nothing at ${index}`);
  return one;
}

function buildSteps(steps: readonly Step[]) {
  let old: Ring | undefined;
  return steps.map((step) => {
    const built = buildRing(parseRingSpec(step), old);
    old = built.ring;
    const { balance, dispersion } = measureRing(built.ring);
    return { ring: built.ring, figures: { moved: built.replicasMoved, balance, dispersion } };
  });
}

describe.each(Object.entries(topologies))('%s', (name, steps) => {
  const slots = 2 ** at(steps, 0).part_power * 3;
  const each = (): Compared[] => compared.get(name) ?? [];

  test('every step is as balanced', () => {
    expect(each()).toHaveLength(steps.length);
    for (const { ours, theirs } of each()) {
      expect(ours.balance).toBeLessThanOrEqual(theirs.balance + 1e-6);
    }
  });

  test('every step is spread as widely', () => {
    for (const [index, { ours, theirs }] of each().entries()) {
      // Swift's own figure leaves out the partitions that have the fraction of a replica.
      if (at(steps, index).replicas % 1 !== 0) continue;
      expect(ours.dispersion).toBeLessThanOrEqual(theirs.dispersion + (100 * scatterParts) / slots);
    }
  });

  test('the changes move no more', () => {
    let ours = 0;
    let theirs = 0;
    for (const step of each().slice(1)) {
      // Where Swift leaves the ring further out of balance it has moves still to make: no comparison.
      if (step.theirs.balance > step.ours.balance + 10) continue;
      ours += step.ours.moved;
      theirs += step.theirs.moved;
    }
    expect(ours).toBeLessThanOrEqual(theirs + scatterParts);
  });

  test('measures of its rings agree with its own', () => {
    for (const [index, { theirs }] of each().entries()) {
      if (at(steps, index).replicas % 1 !== 0) continue;
      const ring = decodeRingFile(readFileSync(join(folder, `${index}-${fileName(name)}.ring.gz`)));
      const measures = measureRing(ring);
      expect(measures.balance).toBeCloseTo(theirs.balance, 6);
      expect(measures.dispersion).toBeCloseTo(theirs.dispersion, 6);
    }
  });

  test('its ring files read and write to the same bytes', () => {
    for (const index of steps.keys()) {
      const file = readFileSync(join(folder, `${index}-${fileName(name)}.ring.gz`));
      const again = gunzipSync(encodeRingFile(decodeRingFile(file)));
      expect(again.equals(gunzipSync(file))).toBe(true);
    }
  });
});

test('all topologies together: fewer moves, and no less spread', () => {
  const all = [...compared.values()].flatMap((list) => list.slice(1));
  const sum = (of: (one: Compared) => number): number => all.reduce((n, one) => n + of(one), 0);
  expect(sum((one) => one.ours.moved)).toBeLessThanOrEqual(sum((one) => one.theirs.moved));
  expect(sum((one) => one.ours.dispersion)).toBeLessThanOrEqual(
    sum((one) => one.theirs.dispersion),
  );
});

describe.each<ByteOrder>(['little', 'big'])('a %s-endian file of ours', (byteOrder) => {
  test.each(['two regions', 'fractional replicas', 'nodes across zones', 'five devices'])(
    'is read by the real Ring, with the same primaries and handoffs: %s',
    (name) => {
      const ring = at(rings.get(name), 1);
      const file = join(folder, `ours-${byteOrder}-${fileName(name)}.ring.gz`);
      writeFileSync(file, encodeRingFile(ring, byteOrder));
      const partitions = Array.from({ length: 64 }, (_, index) => index * 8);
      const view = swiftRead(file, partitions);
      expect(view.part_power).toBe(ring.partPower);
      expect(view.replicas).toBeCloseTo(ring.replicaCount, 9);
      expect(view.version).toBe(ring.version);
      expect(view.devices.map((device) => device?.weight)).toEqual(
        ring.devices.map((device) => device?.weight),
      );
      const seen = partitions.map((partition) => ({
        partition,
        primaries: ring.primaries(partition).map((device) => device.id),
        handoffs: [...ring.handoffs(partition)].map((handoff) => handoff.device.id),
      }));
      expect(view.seen).toEqual(seen);
    },
  );
});
