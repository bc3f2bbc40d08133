import { describe, expect, it } from 'vitest';
import { seededRandom, VirtualClock } from '#common';
import { smallSettings, volumeId, World } from '../testing/world.ts';
import { BufferPool } from './buffers.ts';
import { createEngine } from './engine.ts';
import { ReadOnlyVolume } from './read-only-volume.ts';

const mib = 1024 * 1024;

function pattern(seed: number, length: number): Buffer {
  return seededRandom(seed).bytes(length);
}

async function readAll(volume: {
  sizeBytes: number;
  read(o: number, l: number, t: Buffer, a: number): Promise<void>;
}): Promise<Buffer> {
  const all = Buffer.alloc(volume.sizeBytes, 0xee);
  await volume.read(0, all.length, all, 0);
  return all;
}

describe('a volume', () => {
  it('reads zeros, then what was written, before and after it reached the store', async () => {
    const world = new World();
    await world.addVolume(mib);
    const engine = await world.engine();
    const volume = await engine.open(volumeId);
    const expected = Buffer.alloc(mib);
    expect((await readAll(volume)).equals(expected)).toBe(true);
    for (let at = 0; at < 40; at++) {
      const data = pattern(at, 512 * (1 + (at % 9)));
      const offset = (at * 7919 * 512) % (mib - data.length);
      const aligned = offset - (offset % 512);
      await volume.write(aligned, data, 0, data.length);
      data.copy(expected, aligned);
    }
    await volume.zero(4096, 8192);
    expected.fill(0, 4096, 12_288);
    expect((await readAll(volume)).equals(expected)).toBe(true);
    await volume.close();
    const again = await engine.open(volumeId);
    expect((await readAll(again)).equals(expected)).toBe(true);
    expect(again.epoch).toBe(2);
    await again.close();
    await engine.close();
  });

  it('goes on writing, in other memory, when replicas were out of reach in the middle of uploads', async () => {
    const world = new World();
    world.store.release = 'unknown';
    await world.addVolume(8 * mib);
    const engine = await world.engine();
    const volume = await engine.open(volumeId);
    const expected = Buffer.alloc(8 * mib);
    // Many times what the pool of buffers holds.
    for (let round = 0; round < 12; round++) {
      const data = pattern(round, mib);
      const offset = (round % 8) * mib;
      await volume.write(offset, data, 0, data.length);
      data.copy(expected, offset);
    }
    expect((await readAll(volume)).equals(expected)).toBe(true);
    await volume.close();
    expect((await readAll(await engine.open(volumeId))).equals(expected)).toBe(true);
    await engine.close();
  });

  it('refuses ranges that are not sectors of it', async () => {
    const world = new World();
    await world.addVolume(mib);
    const volume = await (await world.engine()).open(volumeId);
    const buffer = Buffer.alloc(4096);
    await expect(volume.write(100, buffer, 0, 512)).rejects.toThrow('sectors');
    await expect(volume.read(0, 100, buffer, 0)).rejects.toThrow('sectors');
    await expect(volume.read(mib - 512, 1024, buffer, 0)).rejects.toThrow('sectors');
  });

  it('makes a FLUSH survive the loss of power, without the store', async () => {
    const world = new World();
    await world.addVolume(mib);
    const volume = await (await world.engine()).open(volumeId);
    const data = pattern(1, 8192);
    await volume.write(65_536, data, 0, data.length);
    world.store.hook = () => new Promise(() => {});
    await volume.flush();
    const disk = world.disk.crash(seededRandom(3));
    const store = world.store.survivors();
    const after = await (await new World({ disk, store }).engine()).open(volumeId);
    const seen = Buffer.alloc(8192);
    await after.read(65_536, 8192, seen, 0);
    expect(seen.equals(data)).toBe(true);
  });

  it('waits for the store when the log has no room, and breaks nothing', async () => {
    const world = new World();
    world.disk.faults.capacityBytes = 10_000;
    await world.addVolume(mib);
    const volume = await (await world.engine()).open(volumeId);
    const data = pattern(1, 4096);
    await volume.write(0, data, 0, 4096);
    await volume.flush();
    const after = await (
      await new World({ store: world.store.survivors() }).engine('gateway-2')
    ).open(volumeId);
    const seen = Buffer.alloc(4096);
    await after.read(0, 4096, seen, 0);
    expect(seen.equals(data)).toBe(true);
  });

  it('is taken away by whoever opens it next', async () => {
    const world = new World();
    await world.addVolume(mib);
    const first = await (await world.engine()).open(volumeId);
    await first.write(0, pattern(1, 4096), 0, 4096);
    await first.flush();
    const { tables, blobs } = world.store;
    const { clock, settings, log } = world;
    const elsewhere = new World();
    const other = await createEngine({
      tables,
      blobs,
      disk: elsewhere.disk,
      folder: '/log',
      clock,
      settings,
      log,
      gateway: 'gateway-2',
    });
    const second = await other.open(volumeId);
    const mine = pattern(2, 4096);
    await second.write(4096, mine, 0, 4096);
    await second.flush();
    await expect(
      (async () => {
        for (let at = 0; at < 1000; at++) {
          await first.write(8192, pattern(3, 4096), 0, 4096);
          await clock.advance(1);
        }
      })(),
    ).rejects.toThrow('newer epoch');
    const seen = Buffer.alloc(12_288);
    await second.read(0, 12_288, seen, 0);
    expect(seen.subarray(4096, 8192).equals(mine)).toBe(true);
    expect(seen.subarray(8192).every((byte) => byte === 0)).toBe(true);
    await second.close();
    await first.close();
  });

  it('brings what is written again before it left memory to the store once, and a snapshot keeps what it had', async () => {
    const settings = { ...smallSettings, segmentBuffersMax: 16, volumeSegmentsMax: 12 };
    const world = new World({ settings });
    await world.addVolume(mib);
    const engine = await world.engine();
    const volume = await engine.open(volumeId);
    const area = 64 * 1024;
    const fill = async (round: number) => {
      for (let at = 0; at < area; at += 4096)
        await volume.write(at, pattern(round + at, 4096), 0, 4096);
    };
    for (let round = 0; round < 50; round++) await fill(round);
    for (let turn = 0; turn < 100; turn++) await world.clock.advance(100);
    const stored = volume.stats().uploadedBytes;
    expect(stored).toBeLessThan(2 * area);
    expect(volume.stats().writtenBytes).toBe(50 * area);
    await fill(50);
    const pinning = volume.pin({ id: 's', name: 's', state: 'live' });
    await fill(51);
    for (let turn = 0; turn < 50; turn++) await world.clock.advance(100);
    const pin = await pinning;
    const point = await ReadOnlyVolume.open(engine.context, {
      volumeId,
      sizeBytes: mib,
      manifest: pin,
      encryption: undefined,
    });
    const seen = Buffer.alloc(4096);
    for (let at = 0; at < area; at += 4096) {
      await point.read(at, 4096, seen, 0);
      expect(seen.equals(pattern(50 + at, 4096))).toBe(true);
      await volume.read(at, 4096, seen, 0);
      expect(seen.equals(pattern(51 + at, 4096))).toBe(true);
    }
    await volume.close();
  });

  it('gives memory back some time after it was needed', async () => {
    const clock = new VirtualClock();
    const pool = new BufferPool({
      bufferBytes: 4096,
      buffersMax: 8,
      keptMax: 2,
      idleMs: 1000,
      clock,
    });
    const owner = { yieldBuffer: () => undefined };
    const taken = Array.from({ length: 8 }, () => pool.take(owner));
    expect(taken.every((buffer) => buffer !== undefined)).toBe(true);
    expect(pool.take(owner)).toBeUndefined();
    expect(pool.pressure).toBe(1);
    for (const buffer of taken) if (buffer !== undefined) pool.giveBack(buffer);
    await clock.advance(500);
    expect(pool.made).toBe(8);
    await clock.advance(2000);
    expect(pool.made).toBe(2);
    pool.close();
  });

  it('makes writes wait while the store refuses, and goes on when it is back', async () => {
    const world = new World();
    await world.addVolume(mib);
    const volume = await (await world.engine()).open(volumeId);
    const { hook } = world.store;
    world.store.hook = async (operation) => {
      if (operation === 'put-blob')
        throw (await import('#common')).diskFailure(new Error('x'), 's');
    };
    let written = 0;
    const writing = (async () => {
      for (let at = 0; at < 100; at++) {
        await volume.write(at * 8192, pattern(at, 8192), 0, 8192);
        written++;
      }
    })();
    for (let turn = 0; turn < 50; turn++) await world.clock.advance(100);
    expect(written).toBe(16);
    world.store.hook = hook;
    for (let turn = 0; turn < 500 && written < 100; turn++) await world.clock.advance(100);
    await writing;
    await volume.close();
  });

  it('gives back what is dead', async () => {
    const world = new World();
    await world.addVolume(mib);
    const engine = await world.engine();
    const volume = await engine.open(volumeId);
    const random = seededRandom(5);
    const expected = Buffer.alloc(mib);
    for (let at = 0; at < 1500; at++) {
      const offset = random.below(mib / 4096) * 4096;
      const data = pattern(at, 4096);
      data.copy(expected, offset);
      await volume.write(offset, data, 0, 4096);
      if (at % 20 === 0) await world.clock.advance(1000);
    }
    const stats = volume.stats();
    expect(stats.rewrittenBytes).toBeGreaterThan(0);
    expect(stats.storedBytes).toBeLessThan(stats.liveBytes * 2.2);
    expect((await readAll(volume)).equals(expected)).toBe(true);
    await volume.close();
    // Every blob is a segment of the table or a part of the checkpoint: nothing is left behind.
    const restful = { ...world.settings, reclaimDeadShare: 0.95 };
    const { disk, store } = world;
    const again = await (await new World({ disk, store, settings: restful }).engine()).open(
      volumeId,
    );
    expect((await readAll(again)).equals(expected)).toBe(true);
    expect(world.store.contents.size).toBe(again.stats().segments + 1);
    await again.close();
  });
});
