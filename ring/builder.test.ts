import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFailure } from '#common';
import { buildRing, measureRing, parseRingSpec, planMoves, type RingSpec } from './index.ts';
import { weightTargets } from './targets.ts';
import { anyDevice, anySpec, anyWeight, holdersOf, partitionsOf } from './testing.ts';
import { buildTree } from './tree.ts';

const runs = { numRuns: 150 };

/** A spec, and what becomes of it: a device goes, comes, or changes weight. */
const anyChange = fc
  .tuple(
    anySpec,
    fc.nat(),
    anyDevice(30),
    anyWeight,
    fc.constantFrom('add', 'remove', 'weigh', 'drain'),
  )
  .map(([spec, pick, device, weight, kind]) => {
    const chosen = pick % spec.devices.length;
    const weigh = (to: number) =>
      spec.devices.map((one, index) => (index === chosen ? { ...one, weight: to } : one));
    const changes = {
      add: [...spec.devices, device],
      remove: spec.devices.toSpliced(chosen, 1),
      weigh: weigh(weight),
      drain: weigh(0),
    };
    const after: RingSpec = { ...spec, devices: changes[kind] };
    return { before: spec, after, kind, chosen };
  });

describe('a new ring', () => {
  test('gives every partition distinct devices', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const { ring } = buildRing(spec);
        for (const partition of partitionsOf(ring)) {
          const holders = holdersOf(ring, partition);
          expect(new Set(holders).size).toBe(holders.length);
          expect(holders.length).toBeGreaterThanOrEqual(Math.trunc(spec.replicas));
        }
      }),
      runs,
    );
  });

  test('keeps every device within two partitions of what its weight asks for, without overload', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const { ring } = buildRing({ ...spec, overload: 0 });
        const { held } = measureRing(ring);
        const tree = buildTree(spec.devices);
        const targets = weightTargets(tree, ring.replicaCount);
        for (let spot = 0; spot < tree.spots; spot++) {
          const id = tree.deviceAt[spot] ?? -1;
          if (id === -1) continue;
          const wanted = (targets[spot] ?? 0) * ring.partitionCount;
          expect(Math.abs((held[id] ?? 0) - wanted)).toBeLessThan(2);
        }
      }),
      runs,
    );
  });

  test('gives more to more weight', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const { held } = measureRing(buildRing({ ...spec, overload: 0 }).ring);
        const rising = spec.devices.toSorted((a, b) => a.weight - b.weight);
        for (const [index, heavier] of rising.entries()) {
          const lighter = rising[index - 1];
          if (lighter === undefined) continue;
          // Each may be just under two partitions off.
          expect(held[heavier.id] ?? 0).toBeGreaterThan((held[lighter.id] ?? 0) - 4);
        }
      }),
      runs,
    );
  });

  test('holds in every domain between the floor and the ceiling of its average', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const { ring } = buildRing(spec);
        const perZone = new Map<string, number[]>();
        for (const partition of partitionsOf(ring)) {
          for (const id of holdersOf(ring, partition)) {
            const { region, zone } = ring.device(id);
            const key = `${region}/${zone}`;
            const counts = perZone.get(key) ?? Array.from({ length: ring.partitionCount }, () => 0);
            counts[partition] = (counts[partition] ?? 0) + 1;
            perZone.set(key, counts);
          }
        }
        for (const counts of perZone.values()) {
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
      }),
      runs,
    );
  });

  test('depends on the seed and nothing else', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        expect(buildRing(spec).ring.rows).toEqual(buildRing(spec).ring.rows);
      }),
      { numRuns: 30 },
    );
    const spec = parseRingSpec({ part_power: 8, replicas: 3, devices: plain(12) });
    expect(buildRing({ ...spec, seed: 1 }).ring.rows).not.toEqual(
      buildRing({ ...spec, seed: 2 }).ring.rows,
    );
  });

  test('pairs every device with every device of another zone, so that all help when one fails', () => {
    const spec = parseRingSpec({ part_power: 10, replicas: 3, devices: plain(24) });
    const { ring } = buildRing(spec);
    const peers = new Set<number>();
    for (const partition of partitionsOf(ring)) {
      const holders = holdersOf(ring, partition);
      if (holders.includes(0)) for (const id of holders) peers.add(id);
    }
    const elsewhere = spec.devices.filter((device) => device.zone !== 0).length;
    expect(peers.size).toBe(elsewhere + 1);
  });
});

function plain(count: number) {
  return Array.from({ length: count }, (_, id) => ({
    id,
    region: 1,
    zone: id % 4,
    ip: `10.0.0.${id % 8}`,
    port: 6200,
    device: `d${id}`,
    weight: 100,
  }));
}

describe('a changed ring', () => {
  test('moves at most one replica of a partition, unless a device went away', () => {
    fc.assert(
      fc.property(anyChange, ({ before, after, kind }) => {
        const old = buildRing(before).ring;
        const plan = planMoves(old, buildRing(after, old).ring);
        // The one that held the removed device is refilled, and no other of the same partition moves.
        expect(plan.worstPartitionMoves, kind).toBeLessThanOrEqual(1);
      }),
      runs,
    );
  });

  test('with an added replica keeps all old ones of a partition but one', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const old = buildRing(spec).ring;
        const { ring } = buildRing({ ...spec, replicas: spec.replicas + 1 }, old);
        for (const partition of partitionsOf(old)) {
          const now = holdersOf(ring, partition);
          expect(new Set(now).size).toBe(now.length);
          const gone = holdersOf(old, partition).filter((id) => !now.includes(id));
          expect(gone.length).toBeLessThanOrEqual(1);
        }
      }),
      runs,
    );
  });

  test('never puts two replicas of a partition on one device', () => {
    fc.assert(
      fc.property(anyChange, ({ before, after }) => {
        const { ring } = buildRing(after, buildRing(before).ring);
        for (const partition of partitionsOf(ring)) {
          const holders = holdersOf(ring, partition);
          expect(new Set(holders).size).toBe(holders.length);
        }
      }),
      runs,
    );
  });

  test('stays as it is when nothing changes', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const old = buildRing(spec).ring;
        const again = buildRing({ ...spec, seed: spec.seed + 1 }, old);
        expect(again.replicasMoved).toBe(0);
        expect(again.ring.rows).toEqual(old.rows);
        expect(again.ring.version).toBe((old.version ?? 0) + 1);
      }),
      runs,
    );
  });

  test('leaves nothing on a device that is removed, and empties one of weight 0', () => {
    fc.assert(
      fc.property(anyChange, ({ before, after, kind, chosen }) => {
        fc.pre(kind === 'remove' || kind === 'drain');
        const { ring } = buildRing(after, buildRing(before).ring);
        for (const row of ring.rows) expect(row.includes(chosen)).toBe(false);
      }),
      runs,
    );
  });

  test('comes to rest at the balance of a ring built anew, give or take two partitions', () => {
    fc.assert(
      fc.property(anyChange, ({ before, after }) => {
        let ring = buildRing(before).ring;
        for (let round = 0; round < 6; round++) ring = buildRing(after, ring).ring;
        const settled = measureRing(ring).held;
        const fresh = measureRing(buildRing(after).ring).held;
        for (const device of after.devices) {
          expect(Math.abs((settled[device.id] ?? 0) - (fresh[device.id] ?? 0))).toBeLessThan(4);
        }
      }),
      { numRuns: 80 },
    );
  });

  test('moves nothing to a device that should lose, and nothing from one that should gain', () => {
    fc.assert(
      fc.property(anySpec, fc.nat(), (spec, pick) => {
        const chosen = pick % spec.devices.length;
        const heavier = spec.devices.map((device, index) =>
          index === chosen ? { ...device, weight: device.weight * 1.5 } : device,
        );
        const flat = { ...spec, overload: 0 };
        const old = buildRing(flat).ring;
        const { ring } = buildRing({ ...flat, devices: heavier }, old);
        const before = measureRing(old).held[chosen] ?? 0;
        expect(measureRing(ring).held[chosen] ?? 0).toBeGreaterThan(before - 4);
      }),
      runs,
    );
  });
});

describe('min-part-hours', () => {
  const spec = parseRingSpec({
    part_power: 8,
    replicas: 3,
    min_part_hours: 24,
    devices: plain(16),
  });
  const grown = {
    ...spec,
    devices: parseRingSpec({ part_power: 8, replicas: 3, devices: plain(20) }).devices,
  };

  test('partitions moved lately are left alone, the others move, and the times tell it', () => {
    const nowHour = 1000;
    const first = buildRing(spec, undefined, { lastMoved: new Uint32Array(256), nowHour: 900 });
    expect(first.lastMoved).toEqual(new Uint32Array(256).fill(900));
    const lastMoved = Uint32Array.from({ length: 256 }, (_, at) => (at % 2 ? nowHour - 23 : 900));
    const second = buildRing(grown, first.ring, { lastMoved, nowHour });
    expect(second.partitionsLocked).toBe(128);
    const { partitions } = planMoves(first.ring, second.ring);
    expect(partitions.length).toBe(second.replicasMoved);
    expect(partitions.length).toBeGreaterThan(0);
    expect(partitions.every((partition) => partition % 2 === 0)).toBe(true);
    const expected = lastMoved.slice();
    for (const partition of partitions) expected[partition] = nowHour;
    expect(second.lastMoved).toEqual(expected);
  });

  test('a removed device is replaced however lately its partitions moved', () => {
    const nowHour = 900;
    const first = buildRing(spec, undefined, { lastMoved: new Uint32Array(256), nowHour });
    const fewer = { ...spec, devices: spec.devices.slice(1) };
    const lastMoved = new Uint32Array(256).fill(nowHour);
    const second = buildRing(fewer, first.ring, { lastMoved, nowHour });
    expect(second.replicasMoved).toBe(measureRing(first.ring).held[0]);
  });
});

describe('what is refused', () => {
  const spec = parseRingSpec({ part_power: 4, replicas: 3, devices: plain(4) });
  const codeOf = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (isFailure(error)) return error.code;
      throw error;
    }
    return 'none';
  };

  test('more replicas than devices of positive weight', () => {
    expect(codeOf(() => buildRing({ ...spec, replicas: 5 }))).toBe('too-few-devices');
    const drained = spec.devices.map((device) => ({ ...device, weight: device.id > 1 ? 0 : 1 }));
    expect(codeOf(() => buildRing({ ...spec, devices: drained }))).toBe('too-few-devices');
    expect(codeOf(() => buildRing({ ...spec, devices: [] }))).toBe('too-few-devices');
  });

  test('another part power than the old ring has', () => {
    const { ring } = buildRing(spec);
    expect(codeOf(() => buildRing({ ...spec, partPower: 5 }, ring))).toBe('part-power-differs');
  });

  test('times for another number of partitions', () => {
    const times = { lastMoved: new Uint32Array(3), nowHour: 1 };
    expect(codeOf(() => buildRing(spec, undefined, times))).toBe('bad-last-moved');
  });
});
