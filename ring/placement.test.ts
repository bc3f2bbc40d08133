import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFailure } from '#common';
import { buildRing, parseRingSpec, Ring, type RingDevice } from './index.ts';
import { anyRing, partitionsOf } from './testing.ts';

/** Two regions, two zones each, two nodes each, two devices each. */
const devices = Array.from({ length: 16 }, (_, id) => ({
  id,
  region: 1 + (id >> 3),
  zone: (id >> 2) & 1,
  ip: `10.0.${id >> 2}.${(id >> 1) & 1}`,
  port: 6200,
  device: `d${id}`,
  weight: 100,
}));
const ring = buildRing(parseRingSpec({ part_power: 8, replicas: 1, devices })).ring;

describe('the partition of a key', () => {
  test('is the top bits of its hash', () => {
    expect(ring.partitionOf(0)).toBe(0);
    expect(ring.partitionOf(0x00ffffff)).toBe(0);
    expect(ring.partitionOf(0x01000000)).toBe(1);
    expect(ring.partitionOf(0xffffffff)).toBe(255);
    expect(ring.partitionOfHash64(0xab_00000000_000000n)).toBe(0xab);
    expect(ring.partitionOfHash64(2n ** 64n - 1n)).toBe(255);
  });

  test('is always 0 in a ring of one partition', () => {
    const one = buildRing(parseRingSpec({ part_power: 0, replicas: 1, devices })).ring;
    expect(one.partitionOf(0xffffffff)).toBe(0);
    expect(one.partitionOfHash64(2n ** 64n - 1n)).toBe(0);
  });
});

describe('handoffs', () => {
  test('are as unlike the primary as possible: another region, then zones, then nodes, then devices', () => {
    for (const partition of partitionsOf(ring)) {
      const [primary] = ring.primaries(partition);
      if (primary === undefined) throw new Error('a partition has a primary');
      const order = [primary, ...[...ring.handoffs(partition)].map((handoff) => handoff.device)];
      expect(order).toHaveLength(16);
      expect(distinct(order.slice(0, 2), (one) => one.region)).toBe(2);
      expect(distinct(order.slice(0, 4), (one) => `${one.region}/${one.zone}`)).toBe(4);
      expect(distinct(order.slice(0, 8), (one) => one.ip)).toBe(8);
    }
  });

  test('of any ring are all its devices with partitions but the primaries, once each, numbered', () => {
    fc.assert(
      fc.property(anyRing, fc.nat(), (one, pick) => {
        const partition = pick % one.partitionCount;
        const primaries = one.primaries(partition);
        const handoffs = [...one.handoffs(partition)];
        const all = [...primaries, ...handoffs.map((handoff) => handoff.device)];
        expect(distinct(all, (device) => device.id)).toBe(all.length);
        expect(handoffs.map((handoff) => handoff.handoffIndex)).toEqual([...handoffs.keys()]);
        // With steps through at most 65,536 partitions, every device with a share is met; Swift's second lap
        // passes over partition 0, so a device that holds that one only may be left out.
        expect(all.length).toBeGreaterThanOrEqual(one.assignedDeviceCount - one.rows.length);
      }),
      { numRuns: 60 },
    );
  });

  test('come one by one, as they are asked for', () => {
    const handoffs = ring.handoffs(3);
    expect(handoffs.next().value).toMatchObject({ handoffIndex: 0 });
    expect(handoffs.next().value).toMatchObject({ handoffIndex: 1 });
    handoffs.return();
    expect(handoffs.next().done).toBe(true);
  });
});

describe('what is refused', () => {
  const rows = ring.rows;
  const codeOf = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (isFailure(error)) return error.code;
      throw error;
    }
    return 'none';
  };

  test.each<[string, () => unknown, string]>([
    ['a partition below 0', () => ring.primaries(-1), 'bad-partition'],
    ['a partition too many', () => ring.primaries(256), 'bad-partition'],
    ['half a partition', () => ring.primaries(0.5), 'bad-partition'],
    ['handoffs of no partition', () => ring.handoffs(256).next(), 'bad-partition'],
    ['an unknown device', () => ring.device(99), 'no-such-device'],
    [
      'no rows',
      () => new Ring({ partPower: 8, devices: ring.devices, rows: [] }),
      'bad-ring-shape',
    ],
    [
      'a short first row',
      () => new Ring({ partPower: 9, devices: ring.devices, rows }),
      'bad-ring-shape',
    ],
    ['no devices', () => new Ring({ partPower: 8, devices: [], rows }), 'ring-names-no-device'],
    [
      'a part power too large',
      () => new Ring({ partPower: 25, devices: ring.devices, rows }),
      'bad-ring-shape',
    ],
  ])('%s', (_, work, code) => {
    expect(codeOf(work)).toBe(code);
  });
});

test('a device with two replicas of a partition is one primary', () => {
  const row = new Uint16Array(1);
  const doubled = new Ring({ partPower: 0, devices: ring.devices, rows: [row, row] });
  expect(doubled.primaries(0).map((device) => device.id)).toEqual([0]);
  expect(doubled.replicaCount).toBe(2);
});

function distinct(list: readonly RingDevice[], keyOf: (device: RingDevice) => unknown): number {
  return new Set(list.map(keyOf)).size;
}
