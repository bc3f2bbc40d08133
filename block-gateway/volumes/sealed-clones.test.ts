/** The last clones of an image go while others are made: none is refused, and what they share stays for as long as one of them is there. */
import { Buffer } from 'node:buffer';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  createMetrics,
  MemoryDisk,
  type Random,
  seededRandom,
  silentLogger,
  systemClock,
} from '#common';
import { MemoryStore } from '../testing/memory-store.ts';
import { smallSettings } from '../testing/world.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const sizeBytes = 64 * 1024;
let volumes: VolumesOfGateway;
let random: Random;
let store: MemoryStore;

beforeEach(async () => {
  random = seededRandom(5);
  store = new MemoryStore();
  // Every operation of the store takes its own time, so that they meet in ever other ways.
  store.hook = async () => {
    await turns(20);
  };
  volumes = await createVolumes({
    ...{ tables: store.tables, blobs: store.blobs, disk: new MemoryDisk(), folder: '/log' },
    ...{ clock: systemClock, random, settings: smallSettings, log: silentLogger },
    ...{ metrics: createMetrics(), gateway: 'gateway-1' },
  });
});
afterEach(() => volumes.close());

/** Lets others go on for a while. */
async function turns(most: number): Promise<void> {
  for (let turn = random.below(most); turn > 0; turn--) await null;
}

it('clones come and go at once', async () => {
  const stream = (async function* () {
    yield Buffer.alloc(sizeBytes, 7);
  })();
  const image = await volumes.create({
    ...{ name: 'image', project: 'p', sizeBytes, sealed: true, from: { stream } },
  });
  const clone = async () => {
    await turns(1500);
    return await volumes.create({ name: 'c', project: 'q', from: { volume: image.id } });
  };
  let present: string[] = [];
  for (let round = 0; round < 600; round++) {
    const made = Array.from({ length: 1 + random.below(3) }, clone);
    const gone = present.map((id) => volumes.delete(id));
    await Promise.all(gone);
    present = (await Promise.all(made)).map(({ id }) => id);
  }
  await volumes.delete(image.id);
  for (const id of present) {
    const { volume, release } = await volumes.open(id);
    const content = Buffer.alloc(sizeBytes);
    await volume.read(0, sizeBytes, content, 0);
    expect(content.every((byte) => byte === 7)).toBe(true);
    release();
    await volumes.delete(id);
  }
  expect(store.contents.size).toBe(0);
});
