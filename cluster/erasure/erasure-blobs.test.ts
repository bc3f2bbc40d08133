import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#common';
import type { Blobs } from '../blobs.ts';
import { thrownBy, World, type WorldDevice } from '../testing/world.ts';
import { codedId, fragmentId } from './code.ts';

const mebibyte = 1_048_576;
const code = { k: 4, m: 2 };

function worldOf(devices = 8): World {
  return new World({ devices, fragments: 6, settings: { asideMs: 10, asideMsMax: 10 } });
}

async function streamed(blobs: Blobs, data: Buffer, step: number): Promise<string> {
  const writer = await blobs.open({ code });
  for (let at = 0; at < data.length; at += step)
    await writer.append([data.subarray(at, at + step)]);
  return (await writer.commit()).id;
}

async function readAll(blobs: Blobs, id: string, offset: number, length: number) {
  const parts: Buffer[] = [];
  for await (const part of blobs.stream(id, offset, length)) parts.push(part);
  return Buffer.concat(parts);
}

async function fragmentsOn({ memory }: WorldDevice): Promise<number> {
  return (await memory.status()).blobs;
}

function take(world: World, down: readonly number[]): void {
  for (const [at, device] of world.devices.entries()) device.faults.down = down.includes(at);
}

describe('erasure-coded blobs over devices', () => {
  it('are cut, put or streamed, and read back whole and in ranges', async () => {
    const world = worldOf();
    const { blobs } = world.cluster();
    const data = seededRandom(1).bytes(2 * mebibyte + 12_345);
    const put = await blobs.put([data.subarray(0, 10), data.subarray(10)], { code });
    const ids = [put.id, await streamed(blobs, data, 300_001)];
    for (const id of ids) {
      expect(id).toHaveLength(38);
      expect(await blobs.stat(id)).toEqual({ id, length: data.length });
      expect((await readAll(blobs, id, 0, data.length)).equals(data)).toBe(true);
      expect((await readAll(blobs, id, data.length - 5, 100)).equals(data.subarray(-5))).toBe(true);
    }
    // Nobody holds it all.
    const used = await Promise.all(
      world.devices.map(async ({ memory }) =>
        (await memory.listBlobs({ limit: 10 })).reduce((sum, { length }) => sum + length, 0),
      ),
    );
    const stored = used.reduce((sum, bytes) => sum + bytes, 0);
    expect(stored).toBeLessThan(data.length * 2 * 1.51);
    for (const id of ids) await blobs.delete(id);
    expect(await blobs.stat(ids[0] ?? '')).toBeUndefined();
    expect(await thrownBy(blobs.read(ids[0] ?? '', 0, 1))).toMatchObject({ kind: 'missing' });
  });

  it('read any range right, with any devices lost that the code allows', async () => {
    const world = worldOf();
    const { blobs } = world.cluster();
    const data = seededRandom(2).bytes(2 * mebibyte + 777);
    const { id } = await blobs.put([data], { code });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { maxLength: 2 }),
        fc.integer({ min: 0, max: data.length - 1 }),
        fc.integer({ min: 1, max: mebibyte }),
        async (down, offset, length) => {
          take(world, down);
          const found = await world.run(blobs.read(id, offset, length));
          expect(found.equals(data.subarray(offset, offset + length))).toBe(true);
        },
      ),
      { numRuns: 150, seed: 1 },
    );
  });

  it('read what a slow device holds without it', async () => {
    const world = worldOf();
    const { blobs } = world.cluster();
    const data = seededRandom(3).bytes(mebibyte);
    const { id } = await blobs.put([data], { code });
    for (const slow of [1, 5]) world.device(slow).faults.hanging = true;
    const startedMs = world.clock.monotonicMs();
    expect((await world.run(blobs.read(id, 0, mebibyte))).equals(data)).toBe(true);
    expect(world.clock.monotonicMs() - startedMs).toBeLessThan(5000);
  });

  it('ask nothing of devices that a range does not lie on', async () => {
    const world = worldOf();
    const { blobs } = world.cluster();
    const { id } = await blobs.put([seededRandom(4).bytes(mebibyte)], { code });
    await blobs.stat(id);
    for (const { calls } of world.devices) calls.clear();
    await blobs.read(id, 300_000, 1000);
    const asked = world.devices.map(({ calls }) => calls.get('readBlob') ?? 0);
    expect(asked).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it('are acknowledged only when half of the parity is on disks as well', async () => {
    const world = worldOf(6);
    const { blobs } = world.cluster();
    const data = seededRandom(5).bytes(100_000);
    take(world, [0]);
    const { id } = await world.run(blobs.put([data], { code }));
    expect((await world.run(blobs.read(id, 0, data.length))).equals(data)).toBe(true);
    take(world, [0, 3]);
    expect(await thrownBy(world.run(blobs.put([data], { code })))).toMatchObject({
      kind: 'unreachable',
      code: 'no-quorum',
    });
    expect(await thrownBy(world.run(streamed(blobs, data, 1000)))).toMatchObject({
      kind: 'unreachable',
    });
  });

  it('go to stand-ins of devices that fail, and are found there', async () => {
    const world = worldOf();
    const { blobs } = world.cluster();
    const data = seededRandom(6).bytes(mebibyte + 5);
    take(world, [0, 4]);
    const ids = [
      (await world.run(blobs.put([data], { code }))).id,
      await world.run(streamed(blobs, data, 100_000)),
    ];
    expect(await fragmentsOn(world.device(6))).toBe(2);
    take(world, [1, 2]);
    for (const id of ids) {
      expect(
        (await world.run(blobs.read(id, 0, mebibyte))).equals(data.subarray(0, mebibyte)),
      ).toBe(true);
    }
  });

  it('say "missing" only when everybody does', async () => {
    const world = worldOf();
    const { blobs } = world.cluster();
    const nothing = codedId('0'.repeat(32), code);
    expect(await thrownBy(blobs.read(nothing, 0, 10))).toMatchObject({ kind: 'missing' });
    take(world, [2]);
    expect(await thrownBy(world.run(blobs.read(nothing, 0, 10)))).toMatchObject({
      kind: 'unreachable',
    });
  });

  it('leave memory to whoever gave it, once every device has let go', async () => {
    const world = worldOf();
    const { blobs } = world.cluster();
    const writer = await blobs.open({ code });
    const released: number[] = [];
    for (let at = 0; at < 5; at++)
      await writer.append([Buffer.alloc(700_000, at)], () => released.push(at));
    await writer.commit();
    const { id } = writer;
    expect(released).toEqual([0, 1, 2, 3, 4]);
    expect(
      (await blobs.read(id, 1_399_990, 20)).equals(
        Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(10, 2)]),
      ),
    ).toBe(true);
    const how = await new Promise<string>((resolve, reject) => {
      blobs.put([Buffer.alloc(100_000)], { code, onReleased: resolve }).catch(reject);
    });
    expect(how).toBe('free');
  });

  it('never mix with fragments of another', async () => {
    const world = worldOf();
    const { blobs } = world.cluster();
    const { id } = await blobs.put([seededRandom(7).bytes(100_000)], { code });
    const { memory } = world.device(0);
    const [fragment] = await memory.listBlobs({ limit: 1 });
    expect(fragment?.id).toBe(fragmentId(id, 0));
  });
});
