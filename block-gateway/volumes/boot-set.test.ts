/** What one guest of an image read while it booted is in the cache when the next one does. */
import { Buffer } from 'node:buffer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics, MemoryDisk, seededRandom, silentLogger, VirtualClock } from '#common';
import { MemoryStore } from '../testing/memory-store.ts';
import { smallSettings } from '../testing/world.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const lineBytes = 64 * 1024;
const sizeBytes = 256 * lineBytes;
const bootLearnMs = 10_000;
/** Never zero, which would be no data. */
const byteOf = (line: number) => 1 + (line % 255);

describe('the boot set', () => {
  let store: MemoryStore;
  let clock: VirtualClock;
  let volumes: VolumesOfGateway;
  let image: string;
  /** Two gateways do not make up the same ids. */
  let seed = 0;
  const gateway = () =>
    createVolumes({
      ...{ tables: store.tables, blobs: store.blobs, clock, random: seededRandom(++seed) },
      ...{ disk: new MemoryDisk(), folder: '/log', log: silentLogger, metrics: createMetrics() },
      settings: {
        ...smallSettings,
        ...{ segmentBytes: 8 * lineBytes, logFileBytes: 16 * lineBytes },
        ...{ cacheBytes: 128 * lineBytes, readAheadBytes: 0 },
        ...{ bootSetBytes: 40 * lineBytes, bootLearnMs, idleCloseMs: 1 },
      },
      gateway: 'gateway-1',
    });
  beforeEach(async () => {
    store = new MemoryStore();
    clock = new VirtualClock();
    volumes = await gateway();
    const content = Buffer.alloc(lineBytes);
    const stream = (async function* () {
      for (let line = 0; line < sizeBytes / lineBytes; line++)
        yield Buffer.from(content.fill(byteOf(line)));
    })();
    image = (
      await volumes.create({
        ...{ name: 'image', project: 'p', sizeBytes, sealed: true, from: { stream } },
      })
    ).id;
  });
  afterEach(() => volumes.close());

  /** Opens a new clone, reads these lines, and says how many of them were there at once. */
  async function boot(lines: readonly number[], waitMs = 0): Promise<number> {
    const clone = await volumes.create({ name: 'c', project: 'p', from: { volume: image } });
    const { volume, release } = await volumes.open(clone.id);
    await clock.advance(waitMs);
    const target = Buffer.alloc(lineBytes);
    let atOnce = 0;
    for (const line of lines) {
      if (volume.readNow(line * lineBytes, lineBytes, target, 0)) atOnce++;
      else await volume.read(line * lineBytes, lineBytes, target, 0);
      expect(target[0]).toBe(byteOf(line));
    }
    release();
    await clock.advance(bootLearnMs + 1);
    return atOnce;
  }

  /** With nothing in its memory. */
  async function anew(): Promise<void> {
    await volumes.close();
    volumes = await gateway();
  }

  const booted = [...Array.from({ length: 20 }, (_none, at) => at), 200, 100, 101, 150];
  const other = Array.from({ length: 30 }, (_none, at) => 60 + at);

  it('is learned from the first clone and brought in for the next', async () => {
    expect(await boot(booted)).toBe(0);
    await anew();
    expect(await boot(booted, 1)).toBe(booted.length);
  });

  it('is learned anew when it is not what is wanted any more, and not by a short look', async () => {
    await boot(booted);
    await anew();
    await boot([200, 201, 202]);
    await anew();
    expect(await boot(booted, 1)).toBe(booted.length);
    await anew();
    expect(await boot(other, 1)).toBe(0);
    await anew();
    expect(await boot(other, 1)).toBe(other.length);
  });

  it('goes with its volume, and what lies there is never more than a hint', async () => {
    await boot(booted);
    const row = { table: 'volume-boot', partition: image, sort: '' };
    const kept = await store.tables.get(row);
    expect(kept).toBeDefined();
    for (const meta of [
      'nonsense',
      '{"format":"pileus-volume-boot","version":1,"lines":"9999999 3"}',
    ]) {
      await store.tables.put(row, { meta: Buffer.from(meta), bytes: 0, body: Buffer.alloc(0) });
      await anew();
      await boot(booted, 1);
    }
    for (const { id } of (await volumes.list('p')).entries)
      if (id !== image) await volumes.delete(id);
    await volumes.delete(image);
    expect(await store.tables.get(row)).toBeUndefined();
  });
});
