/** Partitions move between devices, some of which are away at times, while rows and blobs are written: nothing acknowledged is lost on the way. */
import { describe, expect, test } from 'vitest';
import type { Cluster } from '#cluster';
import { Failure, isFailure, type Random } from '#common';
import { buildRing, JointRing, nextWave, parseRingSpec, type Ring } from '#ring';
import type { Replicator } from './index.ts';
import { World } from './testing/world.ts';

function ringOf(weights: readonly number[], replicas = 3, old?: Ring): Ring {
  const devices = weights.map((weight, id) => ({
    ...{ id, region: 1, zone: id + 1, ip: `10.0.0.${id}`, port: 6200, device: `d${id}`, weight },
  }));
  return buildRing(parseRingSpec({ part_power: 4, replicas, overload: 0, devices }), old).ring;
}

/** What clients wrote and were told is there. */
class Written {
  readonly rows = new Map<string, string>();
  readonly blobs: { readonly id: string; readonly length: number }[] = [];
  private readonly cluster: Cluster;
  private readonly random: Random;
  private count = 0;

  constructor(cluster: Cluster, random: Random) {
    this.cluster = cluster;
    this.random = random;
  }

  async more(count: number): Promise<void> {
    for (let at = 0; at < count; at++) {
      const sort = `s${this.random.below(100)}`;
      const text = `v${this.count++}`;
      try {
        if (this.random.below(5) === 0)
          this.blobs.push(await this.cluster.blobs.put([this.random.bytes(100)]));
        await this.cluster.tables.put(refOf(sort), {
          ...{ meta: Buffer.from(text), bytes: 1, body: Buffer.alloc(0) },
        });
        this.rows.set(sort, text);
      } catch (error) {
        if (!isFailure(error)) throw error;
        this.rows.delete(sort);
      }
    }
  }

  async check(): Promise<void> {
    for (const [sort, text] of this.rows) {
      const row = await this.cluster.tables.get(refOf(sort));
      expect(row?.meta.toString(), sort).toBe(text);
    }
    for (const { id, length } of this.blobs)
      expect((await this.cluster.blobs.read(id, 0, length)).length).toBe(length);
  }
}

const refOf = (sort: string) => ({
  table: 't',
  partition: `p${Number(sort.slice(1)) % 20}`,
  sort,
});

async function move(
  ring: Ring,
  next: Ring,
  parts: { cluster: Cluster; replicator: Replicator; world: World; during(): Promise<void> },
): Promise<void> {
  const { cluster, replicator, world, during } = parts;
  const joint = new JointRing(ring, next);
  await cluster.follow(joint, world.devices);
  await replicator.follow(joint, world.devices);
  await during();
  for (let pass = 0; pass < 20; pass++) {
    await replicator.repairOnce();
    const { settled, partitions } = replicator.status().moves;
    if (settled === partitions) break;
    if (pass === 19) throw new Failure('bug', 'never-settled', `${settled} of ${partitions}`);
  }
  await replicator.bringFences();
  await cluster.follow(next, world.devices);
  await replicator.follow(next, world.devices);
}

describe('a ring change', () => {
  for (const [name, weights, replicas] of [
    ['a device is drained', [100, 100, 0, 100, 100], 3],
    ['a device is added and the weights change', [50, 100, 100, 100, 200], 3],
    ['one copy more', [100, 100, 100, 100, 0], 4],
    ['one copy less', [100, 100, 100, 100, 0], 2],
  ] as const)
    test(`${name}: nothing acknowledged is lost, whichever device is away next`, async () => {
      const first = ringOf([100, 100, 100, 100, 0]);
      const target = ringOf(weights, replicas, first);
      const world = new World({ devices: 5, ring: first });
      const cluster = world.cluster();
      const replicator = world.replicator();
      const written = new Written(cluster, world.random);
      const awayFor = async (device: number, run: () => Promise<void>) => {
        world.away.add(device);
        await run();
        world.away.delete(device);
      };
      await written.more(100);
      let ring = first;
      for (let wave = 0; ; wave++) {
        const next = nextWave(ring, target, { partitionsMax: 5 });
        if (next === undefined) break;
        await awayFor(wave % 4, () => written.more(30));
        await move(ring, next, {
          ...{ cluster, replicator, world },
          during: () => awayFor((wave + 1) % 5, () => written.more(30)),
        });
        ring = next;
        // Whichever one device of the new owners is away, the others know.
        if (replicas !== 2) await awayFor((wave + 2) % 5, () => written.check());
        else await written.check();
      }
      await replicator.repairOnce();
      await written.check();
      world.ring = ring;
      expect(await world.differing()).toEqual([]);
      expect(await world.strangers()).toEqual([]);
    });

  test('what will be moved is known beforehand, to the byte', async () => {
    const first = ringOf([100, 100, 100, 0]);
    const target = ringOf([100, 100, 100, 100], 3, first);
    const world = new World({ devices: 4, ring: first });
    const cluster = world.cluster();
    const replicator = world.replicator();
    const written = new Written(cluster, world.random);
    await written.more(200);
    const next = nextWave(first, target, { partitionsMax: 16 }) ?? target;
    const joint = new JointRing(first, next);
    const moved = Array.from({ length: 16 }, (_, at) => at).filter(
      (at) => joint.primaries(at).length > 3,
    );
    expect(moved.length).toBeGreaterThan(0);
    await replicator.repairOnce();
    const measured = await replicator.measure(moved);
    await move(first, next, { cluster, replicator, world, during: async () => undefined });
    const sum = [...measured.values()].reduce((all, one) => all + one, 0);
    expect(replicator.status().movedBytes).toBe(sum);
    expect(sum).toBeGreaterThan(0);
  });

  test('it is not over while too few of the old owners can be asked', async () => {
    const first = ringOf([100, 100, 100, 0]);
    const target = ringOf([100, 100, 0, 100], 3, first);
    const world = new World({ devices: 4, ring: first });
    const cluster = world.cluster();
    const replicator = world.replicator();
    await new Written(cluster, world.random).more(50);
    const joint = new JointRing(first, nextWave(first, target, { partitionsMax: 16 }) ?? target);
    await cluster.follow(joint, world.devices);
    await replicator.follow(joint, world.devices);
    world.away.add(1);
    await replicator.repairOnce();
    expect(replicator.status().moves).toEqual({ settled: 0, partitions: 16 });
    // The one that leaves need not be there.
    world.away.clear();
    world.away.add(2);
    await replicator.repairOnce();
    expect(replicator.status().moves).toEqual({ settled: 16, partitions: 16 });
  });
});
