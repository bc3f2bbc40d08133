import { describe, expect, it } from 'vitest';
import { KeyHasher } from './key-hash.ts';
import { salt, thrownBy, World } from './testing/world.ts';

const mebibyte = 1_048_576;
const hasher = new KeyHasher(salt);

function patterned(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, at) => (at * 7 + (at >>> 9)) & 0xff));
}

async function copies(world: World): Promise<number[]> {
  return Promise.all(world.devices.map(async ({ memory }) => (await memory.status()).blobs));
}

function mended(world: World, pending: () => number): Promise<void> {
  return world.run(
    (async () => {
      do await world.clock.sleep(1);
      while (pending() > 0);
    })(),
  );
}

describe('blobs over three devices', () => {
  it('gives back what was put or streamed, whole, in ranges and as a stream', async () => {
    const { blobs } = new World().cluster();
    const data = patterned(2 * mebibyte + 100);
    const put = await blobs.put([data.subarray(0, 10), data.subarray(10)]);
    expect(put.length).toBe(data.length);
    const writer = await blobs.open({ lengthHint: data.length });
    for (let at = 0; at < data.length; at += 300_000)
      await writer.append([data.subarray(at, at + 300_000)]);
    const streamed = await writer.commit();
    expect(streamed).toEqual({ id: writer.id, length: data.length });
    for (const { id } of [put, streamed]) {
      expect(await blobs.stat(id)).toEqual({ id, length: data.length });
      expect((await blobs.read(id, 5, 1000)).equals(data.subarray(5, 1005))).toBe(true);
      const parts: Buffer[] = [];
      for await (const part of blobs.stream(id, 7, data.length)) parts.push(part);
      expect(Buffer.concat(parts).equals(data.subarray(7))).toBe(true);
      await blobs.delete(id);
      expect(await blobs.stat(id)).toBeUndefined();
      expect(await thrownBy(blobs.read(id, 0, 1))).toMatchObject({
        kind: 'missing',
        code: 'blob-missing',
      });
    }
  });

  it('shows nothing of a blob that was aborted, and refuses to go on with it', async () => {
    const world = new World();
    const { blobs } = world.cluster();
    const writer = await blobs.open();
    await writer.append([Buffer.from('half')]);
    await writer.abort();
    expect(await copies(world)).toEqual([0, 0, 0]);
    expect(await blobs.stat(writer.id)).toBeUndefined();
    await expect(async () => writer.append([Buffer.from('x')])).rejects.toMatchObject({
      kind: 'closed',
    });
  });

  it('refuses what is too large, and ids and ranges that cannot be', async () => {
    const { blobs } = new World().cluster();
    const chunk = Buffer.alloc(mebibyte);
    const large = Array.from({ length: 65 }, () => chunk);
    expect(await thrownBy(blobs.put(large))).toMatchObject({ code: 'blob-too-large' });
    expect(await thrownBy(blobs.stat('../x'))).toMatchObject({ code: 'bad-blob-id' });
    const { id } = await blobs.put([chunk]);
    for (const [offset, length] of [
      [-1, 1],
      [0, mebibyte + 1],
      [0.5, 1],
    ] as const)
      expect(await thrownBy(blobs.read(id, offset, length))).toMatchObject({ code: 'bad-range' });
  });

  it('puts the third copy on a stand-in when a primary is down, and finds it there', async () => {
    const world = new World({ devices: 4 });
    const { blobs } = world.cluster();
    world.device(0).faults.down = true;
    const { id } = await world.run(blobs.put([patterned(1000)]));
    const writer = await world.run(blobs.open());
    await world.run(writer.append([patterned(1000)]));
    await world.run(writer.commit());
    expect(await copies(world)).toEqual([0, 2, 2, 2]);
    world.device(1).faults.down = true;
    world.device(2).faults.down = true;
    expect(await world.run(blobs.read(id, 0, 1000))).toHaveLength(1000);
    world.device(3).faults.down = true;
    expect(await thrownBy(world.run(blobs.read(id, 0, 1)))).toMatchObject({ kind: 'unreachable' });
  });

  it('does not say missing while a device that may hold the blob is away', async () => {
    const world = new World({ devices: 4 });
    const { blobs } = world.cluster();
    const id = 'ab'.repeat(16);
    world.device(3).faults.down = true;
    expect(await thrownBy(world.run(blobs.stat(id)))).toMatchObject({ code: 'no-quorum' });
    world.device(3).faults.down = false;
    world.device(0).faults.down = true;
    expect(await world.run(blobs.stat(id))).toBeUndefined();
  });

  it('passes over a bad copy and mends it', async () => {
    const world = new World();
    const cluster = world.cluster();
    const data = patterned(mebibyte + 5);
    const { id } = await cluster.blobs.put([data]);
    const key = { id, hash: hasher.ofBlob(id) };
    // Reads go round from the hash's place, so the good copy is the one met last.
    const good = (key.hash + 2) % 3;
    const damaged = world.devices.filter((_, index) => index !== good);
    for (const { memory } of damaged) memory.damageBlob(key);
    expect((await cluster.blobs.read(id, 0, 99)).equals(data.subarray(0, 99))).toBe(true);
    await mended(world, () => cluster.health().repairsPending);
    for (const { memory } of damaged)
      expect((await memory.readBlob(key, 0, 99)).equals(data.subarray(0, 99))).toBe(true);
    for (const { memory } of world.devices) memory.damageBlob(key);
    const refused = await thrownBy(cluster.blobs.read(id, 0, 1));
    expect(refused).toMatchObject({ kind: 'corrupt', code: 'blob-corrupt' });
  });

  it('is not held up by a device that hangs, and holds the writer back before one that is slow', async () => {
    const world = new World({ settings: { blobTimeoutMs: 400, blobLagBytesMax: mebibyte } });
    const { blobs } = world.cluster();
    world.device(1).faults.hanging = true;
    const startMs = world.clock.monotonicMs();
    const writer = await world.run(blobs.open());
    for (let part = 0; part < 5; part++)
      await world.run(writer.append([Buffer.alloc(mebibyte / 2, part)]));
    const { id, length } = await world.run(writer.commit());
    expect(length).toBe(2.5 * mebibyte);
    // Held back until the hanging device's deadline, once.
    expect(world.clock.monotonicMs() - startMs).toBeLessThan(500);
    expect(await world.run(blobs.read(id, 0, 1))).toHaveLength(1);
  });
});

describe('fences', () => {
  it('refuse writes of an older epoch on a majority of every set of primaries', async () => {
    const world = new World({ devices: 5 });
    const { blobs } = world.cluster();
    const old = { scope: 'volume-1', epoch: 1 };
    await blobs.raiseFence(old);
    await blobs.put([Buffer.from('x')], { fence: old });
    const writer = await blobs.open({ fence: old });
    // One device of three may miss it.
    world.device(0).faults.down = true;
    await world.run(blobs.raiseFence({ scope: 'volume-1', epoch: 2 }));
    world.device(0).faults.down = false;
    await writer.append([Buffer.from('x')]);
    const commit = await thrownBy(world.run(writer.commit()));
    expect(commit).toMatchObject({ kind: 'denied', code: 'fenced' });
    const put = await thrownBy(world.run(blobs.put([Buffer.from('x')], { fence: old })));
    expect(put).toMatchObject({ kind: 'denied', code: 'fenced' });
    expect(await thrownBy(blobs.raiseFence(old))).toMatchObject({ code: 'fenced' });
    await blobs.put([Buffer.from('x')], { fence: { scope: 'volume-1', epoch: 2 } });
  });

  it('fail when too few devices can be told', async () => {
    const world = new World();
    const { blobs } = world.cluster();
    world.device(0).faults.down = true;
    world.device(1).faults.down = true;
    const failure = await thrownBy(blobs.raiseFence({ scope: 'v', epoch: 1 }));
    expect(failure).toMatchObject({ kind: 'unreachable', code: 'no-quorum' });
  });
});
