import { describe, expect, test } from 'vitest';
import { seededRandom } from '#common';
import { buildRing } from './builder.ts';
import { JointRing } from './joint-ring.ts';
import { planMoves } from './moves.ts';
import type { Ring } from './placement.ts';
import { parseRingSpec } from './spec.ts';
import { countWaves, nextWave } from './waves.ts';

interface Wanted {
  readonly weights: readonly (number | undefined)[];
  readonly replicas: number;
}

function specOf({ weights, replicas }: Wanted) {
  const devices = weights.flatMap((weight, id) =>
    weight === undefined
      ? []
      : [
          {
            ...{ id, region: 1, zone: (id % 4) + 1, ip: `10.0.0.${id}`, port: 6200 },
            ...{ device: `d${id}`, weight },
          },
        ],
  );
  return parseRingSpec({ part_power: 6, replicas, overload: 0, devices });
}

const holders = (ring: Ring, partition: number) =>
  ring
    .primaries(partition)
    .map(({ id }) => id)
    .sort((a, b) => a - b);

const start: Wanted = { weights: [100, 100, 100, 100, 100, 100], replicas: 3 };
const changes: Readonly<Record<string, Wanted>> = {
  'a device is added': { weights: [...start.weights, 100], replicas: 3 },
  'a device is drained': { weights: [100, 100, 0, 100, 100, 100], replicas: 3 },
  'two devices are removed': { weights: [undefined, 100, undefined, 100, 100, 100], replicas: 3 },
  'weights change': { weights: [50, 100, 150, 100, 20, 200], replicas: 3 },
  'one replica more': { weights: start.weights, replicas: 4 },
  'two replicas more, a fraction, and a device less': {
    weights: [100, 100, 100, 100, 100],
    replicas: 4.5,
  },
  'one replica less': { weights: start.weights, replicas: 2 },
  'fewer replicas and other weights': { weights: [10, 100, 300, 100, 100, 1], replicas: 1.5 },
};

describe('waves', () => {
  for (const [name, wanted] of Object.entries(changes))
    test(`${name}: one replica of a partition at a time, until all is as wanted`, () => {
      const current = buildRing(specOf(start)).ring;
      const target = buildRing(specOf(wanted), current).ring;
      let ring = current;
      let waves = 0;
      for (;;) {
        const next = nextWave(ring, target, { partitionsMax: 10 });
        if (next === undefined) break;
        const plan = planMoves(ring, next);
        expect(plan.worstPartitionMoves).toBeLessThanOrEqual(1);
        expect(plan.partitionsTouched).toBeLessThanOrEqual(10);
        expect(next.version).toBe((ring.version ?? 0) + 1);
        const joint = new JointRing(ring, next);
        for (let partition = 0; partition < 64; partition++) {
          const before = holders(ring, partition);
          const after = holders(next, partition);
          const both = new Set([...before, ...after]);
          expect(new Set(joint.primaries(partition).map(({ id }) => id))).toEqual(both);
          expect(both.size).toBeLessThanOrEqual(before.length + 1);
          const standIns = [...joint.handoffs(partition)].map(({ device }) => device.id);
          expect(standIns.some((id) => both.has(id))).toBe(false);
          expect(new Set(standIns).size).toBe(standIns.length);
        }
        ring = next;
        waves += 1;
      }
      for (let partition = 0; partition < 64; partition++)
        expect(holders(ring, partition)).toEqual(holders(target, partition));
      expect(waves).toBe(countWaves(current, target, { partitionsMax: 10 }));
      expect(waves).toBeGreaterThan(0);
    });

  test('a change may turn round in its middle', () => {
    const random = seededRandom(7);
    const current = buildRing(specOf(start)).ring;
    const target = buildRing(specOf(changes['two devices are removed'] as Wanted), current).ring;
    let ring = current;
    for (let wave = 0; wave < 3 + random.below(3); wave++)
      ring = nextWave(ring, target, { partitionsMax: 7 }) ?? ring;
    for (let next = nextWave(ring, current, { partitionsMax: 7 }); next !== undefined; ) {
      ring = next;
      next = nextWave(ring, current, { partitionsMax: 7 });
    }
    for (let partition = 0; partition < 64; partition++)
      expect(holders(ring, partition)).toEqual(holders(current, partition));
  });

  test('more than one replica in motion is refused', () => {
    const current = buildRing(specOf(start)).ring;
    const target = buildRing(specOf({ ...start, replicas: 1 })).ring;
    expect(() => new JointRing(current, target)).toThrow(/More than one replica/);
  });
});
