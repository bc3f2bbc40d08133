import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildRing, estimateCost, noSource, planMoves, Ring, type RingDevice } from './index.ts';
import { anyDevice, anySpec, holdersOf, partitionsOf } from './testing.ts';

const devices: RingDevice[] = Array.from({ length: 5 }, (_, id) => ({
  id,
  region: 1,
  zone: id,
  ip: `10.0.0.${id}`,
  port: 6200,
  device: `d${id}`,
  weight: 1,
  replicationIp: `10.0.0.${id}`,
  replicationPort: 6200,
  meta: '',
}));

function ringOf(...rows: number[][]): Ring {
  return new Ring({ partPower: 1, devices, rows: rows.map((row) => Uint16Array.from(row)) });
}

test('a plan names each replica in motion, and what devices win and lose', () => {
  const plan = planMoves(ringOf([0, 1], [1, 2]), ringOf([0, 1], [3, 2]));
  expect([...plan.partitions]).toEqual([0]);
  expect([...plan.from]).toEqual([1]);
  expect([...plan.to]).toEqual([3]);
  expect(plan.devices.map(({ id, arriving, leaving }) => ({ id, arriving, leaving }))).toEqual([
    { id: 1, arriving: 0, leaving: 1 },
    { id: 3, arriving: 1, leaving: 0 },
  ]);
  expect(plan.devices[0]).toMatchObject({ shareBefore: 0.5, shareAfter: 0.25 });
  expect(plan).toMatchObject({
    partitionsTouched: 1,
    worstPartitionMoves: 1,
    partitionsWithoutStayer: 0,
    shareMoved: 0.25,
  });
});

test('a replica that only changes its row has not moved', () => {
  const plan = planMoves(ringOf([0, 1], [1, 2]), ringOf([1, 2], [0, 1]));
  expect(plan.to).toHaveLength(0);
  expect(plan.devices).toEqual([]);
});

test('a partition that no old device keeps is counted as exposed', () => {
  const plan = planMoves(ringOf([0, 1], [1, 2]), ringOf([3, 1], [4, 2]));
  expect(plan).toMatchObject({ partitionsWithoutStayer: 1, worstPartitionMoves: 2 });
});

test('a new replica has no source', () => {
  const plan = planMoves(ringOf([0, 1]), ringOf([0, 1], [2, 3]));
  expect([...plan.from]).toEqual([noSource, noSource]);
  expect([...plan.to]).toEqual([2, 3]);
});

test('the cost is told by the busiest device', () => {
  const plan = planMoves(ringOf([0, 1], [1, 2]), ringOf([3, 3], [1, 2]));
  const cost = estimateCost(plan, { partitionBytes: 1000, deviceBytesPerSecond: 100 });
  expect(cost).toMatchObject({ bytes: 2000, seconds: 20 });
  expect(cost.bytesArriving.get(3)).toBe(2000);
});

test('rings of different part powers do not compare', () => {
  const other = new Ring({ partPower: 0, devices, rows: [Uint16Array.of(0)] });
  expect(() => planMoves(ringOf([0, 1]), other)).toThrow('one part power');
});

test('carrying a plan out turns any ring into the next', () => {
  fc.assert(
    fc.property(anySpec, anyDevice(40), (spec, device) => {
      const before = buildRing(spec).ring;
      const after = buildRing({ ...spec, devices: [...spec.devices, device] }, before).ring;
      const plan = planMoves(before, after);
      const holders = partitionsOf(before).map(
        (partition) => new Set(holdersOf(before, partition)),
      );
      for (const [index, partition] of plan.partitions.entries()) {
        holders[partition]?.delete(plan.from[index] ?? noSource);
        holders[partition]?.add(plan.to[index] ?? noSource);
      }
      expect(holders).toEqual(
        partitionsOf(after).map((partition) => new Set(holdersOf(after, partition))),
      );
    }),
    { numRuns: 60 },
  );
});
