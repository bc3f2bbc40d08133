import { describe, expect, it } from 'vitest';
import { type Blobs, fragmentOf, isFragmentId } from '#cluster';
import { seededRandom } from '#common';
import type { BlobInfo } from '#wire';
import { World } from '../testing/world.ts';

const code = { k: 4, m: 2 };

async function fragmentsOn(world: World, device: number): Promise<BlobInfo[]> {
  const all = await world.memory(device).listBlobs({ limit: 10_000 });
  return all.filter(({ id }) => isFragmentId(id));
}

/** How often each fragment of each blob is somewhere. */
async function census(world: World): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const device of world.memories.keys())
    for (const { id } of await fragmentsOn(world, device))
      counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

async function write(blobs: Blobs, count: number) {
  const bodies = new Map<string, Buffer>();
  for (let at = 0; at < count; at++) {
    const body = seededRandom(at + 1).bytes(100_000 + at * 200_000);
    bodies.set((await blobs.put([body], { code })).id, body);
  }
  return bodies;
}

async function expectAll(blobs: Blobs, bodies: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [id, body] of bodies) {
    const parts: Buffer[] = [];
    for await (const part of blobs.stream(id, 0, body.length)) parts.push(part);
    expect(Buffer.concat(parts).equals(body)).toBe(true);
  }
}

describe('fragments of erasure-coded blobs', () => {
  it('are made anew on devices that were put in place empty', async () => {
    const world = new World({ devices: 8 });
    const { blobs } = world.cluster();
    const bodies = await write(blobs, 8);
    const before = await census(world);
    for (const device of [2, 5]) world.replace(device);
    await expectAll(blobs, bodies);
    const replicator = world.replicator();
    await replicator.runOnce();
    expect(await census(world)).toEqual(before);
    const { fragments, irreparable } = replicator.status();
    expect(irreparable).toEqual([]);
    expect(fragments.lacking).toBe(0);
    expect(fragments.rebuilt).toBeGreaterThan(0);
    // Two others may go now, and what was made anew must do.
    for (const device of [1, 7]) world.away.add(device);
    await expectAll(blobs, bodies);
  });

  it('go home from stand-ins, and leave nothing behind', async () => {
    const world = new World({ devices: 8 });
    const { blobs } = world.cluster();
    for (const device of [0, 1]) world.away.add(device);
    const bodies = await write(blobs, 6);
    world.away.clear();
    const replicator = world.replicator();
    await replicator.runOnce();
    await replicator.runOnce();
    const found = await census(world);
    expect(found.size).toBe(6 * 6);
    expect([...found.values()].every((count) => count === 1)).toBe(true);
    expect(replicator.status().handedBack).toBeGreaterThan(0);
    await expectAll(blobs, bodies);
  });

  it('that go bad are replaced where they are', async () => {
    const world = new World({ devices: 6 });
    const { blobs } = world.cluster();
    const bodies = await write(blobs, 3);
    const replicator = world.replicator();
    for (const device of [0, 3]) {
      const [first] = await fragmentsOn(world, device);
      if (first !== undefined) world.memory(device).damageBlob(first);
    }
    await expectAll(blobs, bodies);
    await replicator.runOnce();
    for (const memory of world.memories) expect((await memory.status()).quarantined).toBe(0);
    expect(replicator.status().healed).toBe(2);
    for (const device of [1, 2]) world.away.add(device);
    await expectAll(blobs, bodies);
  });

  it('are named when too few are left, once no device is away', async () => {
    const world = new World({ devices: 6 });
    const { blobs } = world.cluster();
    const bodies = await write(blobs, 1);
    const [id = ''] = bodies.keys();
    let dropped = 0;
    for (const device of world.memories.keys())
      for (const fragment of await fragmentsOn(world, device)) {
        if (dropped === 3) continue;
        dropped += 1;
        await world.memory(device).deleteBlob(fragment);
      }
    const replicator = world.replicator();
    world.away.add(5);
    await replicator.runOnce();
    expect(replicator.status().irreparable).toEqual([]);
    world.away.clear();
    await replicator.runOnce();
    expect(replicator.status().irreparable).toMatchObject([{ what: 'blob', name: id }]);
  });

  it('are reclaimed all together when no row refers to their blob, and never before', async () => {
    const world = new World({ devices: 6 });
    const { blobs, tables } = world.cluster();
    const bodies = await write(blobs, 2);
    const [kept = '', orphan = ''] = bodies.keys();
    const body = Buffer.alloc(0);
    const ref = { table: 'object', partition: 'p', sort: 's' };
    await tables.put(ref, { meta: Buffer.from(kept), bytes: 0, body });
    const replicator = world.replicator(
      { orphanGraceMs: 0, reclaim: 'on' },
      { object: (row, found) => found(row.meta.toString('latin1')) },
    );
    for (let pass = 0; pass < 4; pass++) await replicator.reclaimOnce();
    const left = new Set([...(await census(world)).keys()].map((one) => fragmentOf(one).blobId));
    expect([...left]).toEqual([kept]);
    expect(left.has(orphan)).toBe(false);
    await expectAll(blobs, new Map([[kept, bodies.get(kept) ?? body]]));
  });
});
