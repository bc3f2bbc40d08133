import { describe, expect, it } from 'vitest';
import { type FragmentDevice, fragmentPlacement } from './fragment-ring.ts';

function devicesOf(count: number, zones: number): FragmentDevice[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    region: 1,
    zone: id % zones,
    ip: `10.0.0.${id}`,
    port: 6200,
    weight: 100,
  }));
}

const partitions = 256;

function ownersIn(devices: readonly (FragmentDevice | undefined)[], width: number) {
  const ring = { devices, partitionOf: (hash: number) => hash };
  const placement = fragmentPlacement(ring, width);
  return Array.from({ length: partitions }, (_, at) => placement.primariesOf(at));
}

describe('the places of fragments', () => {
  it('are as many devices as fragments, spread over zones, and all devices get their share', () => {
    const devices = devicesOf(9, 3);
    const held = new Array<number>(9).fill(0);
    for (const owners of ownersIn(devices, 6)) {
      expect(new Set(owners).size).toBe(6);
      for (const zone of [0, 1, 2]) expect(owners.filter((id) => id % 3 === zone)).toHaveLength(2);
      for (const id of owners) held[id] = (held[id] ?? 0) + 1;
    }
    const fair = (partitions * 6) / 9;
    for (const count of held) expect(Math.abs(count - fair)).toBeLessThan(fair * 0.25);
  });

  it('change little when a device comes or goes', () => {
    const before = ownersIn(devicesOf(12, 12), 6);
    const after = ownersIn(devicesOf(13, 13), 6);
    let moved = 0;
    for (const [at, owners] of before.entries())
      moved += owners.filter((id, index) => after[at]?.[index] !== id).length;
    // A thirteenth has to move; those whom the newcomer drives out of one fragment's place may win another's.
    expect(moved / (partitions * 6)).toBeLessThan(2.5 / 13);
  });

  it('leave out devices without weight, and say who may stand in', () => {
    const devices = devicesOf(8, 8).map((one) => (one.id === 3 ? { ...one, weight: 0 } : one));
    const placement = fragmentPlacement({ devices, partitionOf: (hash) => hash }, 6);
    for (let at = 0; at < partitions; at++) {
      const owners = placement.primariesOf(at);
      const handoffs = [...placement.handoffsOf(at)];
      expect(owners).not.toContain(3);
      expect(handoffs.at(-1)).toBe(3);
      expect(new Set([...owners, ...handoffs]).size).toBe(8);
    }
  });
});
