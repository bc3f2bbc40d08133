import { expect, it } from 'vitest';
import { VirtualClock } from '#common';
import { Ring } from '#ring';
import { HybridClock } from './hybrid-clock.ts';
import { ringPlacement } from './ring-placement.ts';

function smallRing(): Ring {
  const devices = [0, 1, 2, 3].map((id) => ({
    id,
    region: 1,
    zone: id,
    ip: `10.0.0.${id}`,
    port: 1,
    device: 'd',
    weight: 1,
    replicationIp: '',
    replicationPort: 1,
    meta: '',
  }));
  const rows = [
    [0, 1, 2, 3],
    [1, 2, 3, 0],
    [2, 3, 0, 1],
  ].map((row) => Uint16Array.from(row));
  return new Ring({ partPower: 2, devices, rows });
}

it('a ring places hashes by their upper bits, and every set of primaries is told once', () => {
  const placement = ringPlacement(smallRing());
  expect(placement.primariesOf(0)).toEqual([0, 1, 2]);
  expect(placement.primariesOf(0xffffffff)).toEqual([3, 0, 1]);
  expect(placement.primariesOf(0x40000000)).toBe(placement.primariesOf(0x7fffffff));
  expect([...placement.handoffsOf(0)]).toEqual([3]);
  expect([...placement.replicaSets()].map((set) => [...set].sort())).toEqual([
    [0, 1, 2],
    [1, 2, 3],
    [0, 2, 3],
    [0, 1, 3],
  ]);
});

it('versions always rise, follow what was met, and survive a clock that jumps either way', () => {
  const clock = new VirtualClock();
  let skewUs = 0;
  const versions = new HybridClock(
    {
      nowUs: () => clock.nowUs() + skewUs,
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, run) => clock.after(delayMs, run),
      sleep: (delayMs) => clock.sleep(delayMs),
    },
    7,
  );
  let last = 0;
  const rises = () => {
    const { timeUs, coordinator } = versions.next();
    expect(coordinator).toBe(7);
    expect(timeUs).toBeGreaterThan(last);
    last = timeUs;
  };
  for (skewUs of [0, 0, 3_600_000_000, -3_600_000_000, 0]) rises();
  versions.observe({ timeUs: last + 1_000_000, coordinator: 9 });
  last += 1_000_000;
  rises();
  expect(() => versions.observe({ timeUs: 2 ** 53 - 1, coordinator: 9 })).toThrow('centuries');
});
