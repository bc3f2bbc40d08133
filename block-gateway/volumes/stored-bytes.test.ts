/** Volumes over bytes that lie in the store already: nothing of them is copied, nothing of them is lost, and what was held is released with the last user. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  createMetrics,
  randomHex,
  seededRandom,
  silentLogger,
  systemClock,
  systemDisk,
} from '#common';
import { MemoryStore } from '../testing/memory-store.ts';
import { smallSettings } from '../testing/world.ts';
import type { StoredBytes } from './stored-bytes.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const mib = 1024 * 1024;
/** The first of these is larger than a segment can be; the last ends inside a sector. */
const lengths = [40 * mib, 3 * mib, 2 * mib + 100];
const random = seededRandom(5);
const bytes = seededRandom(7).bytes(lengths.reduce((sum, length) => sum + length, 0));

let folder: string;
let store: MemoryStore;
let volumes: VolumesOfGateway;
let starts = 10;
/** Name → the ids that are kept for it. */
let held: Map<string, readonly string[]>;

async function start(on: MemoryStore): Promise<VolumesOfGateway> {
  return await createVolumes({
    ...{ tables: on.tables, blobs: on.blobs, disk: systemDisk, folder: join(folder, 'log') },
    ...{ clock: systemClock, random: seededRandom(++starts), settings: smallSettings },
    ...{ log: silentLogger, metrics: createMetrics(), gateway: 'gateway-1' },
    holds: {
      release: async (name) => {
        for (const id of held.get(name) ?? []) await on.blobs.delete(id);
        held.delete(name);
      },
    },
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pileus-stored-'));
  store = new MemoryStore();
  held = new Map();
  volumes = await start(store);
});
afterEach(async () => {
  await volumes.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As an object would be: every hold has the blobs by reference (here by a copy under other ids, so that a read after the release would fail). */
function stored(parts: readonly number[] = lengths): StoredBytes {
  const whole = bytes.subarray(
    0,
    parts.reduce((sum, length) => sum + length, 0),
  );
  return {
    sizeBytes: whole.length,
    hold: async (name) => {
      const ids: string[] = [];
      held.set(name, ids);
      const blobs: { id: string; length: number }[] = [];
      let at = 0;
      for (const length of parts) {
        const id = randomHex(random, 16);
        ids.push(id);
        await store.blobs.put([whole.subarray(at, at + length)], { id });
        blobs.push({ id, length });
        at += length;
      }
      return blobs;
    },
    async *read() {
      yield Buffer.from(whole);
    },
  };
}

async function content(id: string, length = bytes.length): Promise<Buffer> {
  const { volume, release } = await volumes.open(id);
  const all = Buffer.alloc(Math.ceil(length / 512) * 512);
  for (let at = 0; at < all.length; at += mib)
    await volume.read(at, Math.min(mib, all.length - at), all, at);
  release();
  return all.subarray(0, length);
}

async function write(id: string, offset: number, data: Buffer): Promise<void> {
  const { volume, release } = await volumes.open(id);
  await volume.write(offset, data, 0, data.length);
  await volume.settle();
  release();
}

it('has the bytes, and none of its own', async () => {
  const sizeBytes = 64 * mib;
  const made = await volumes.create({
    ...{ name: 'a', project: 'p', sizeBytes, from: { bytes: stored() } },
  });
  expect(made).toMatchObject({ state: 'ready', shares: true, sizeBytes });
  const [ids = []] = [...held.values()];
  const own = [...store.contents].filter(([id]) => !ids.includes(id));
  expect(own.reduce((sum, [, { length }]) => sum + length, 0)).toBeLessThan(1024);
  expect((await content(made.id)).equals(bytes)).toBe(true);
  const after = await content(made.id, bytes.length + 412);
  expect(after.subarray(bytes.length).equals(Buffer.alloc(412))).toBe(true);
});

it('is written over, cloned, snapshotted and reopened like any other', async () => {
  const made = await volumes.create({ name: 'a', project: 'p', from: { bytes: stored() } });
  const change = seededRandom(8).bytes(mib);
  const snapshot = await volumes.snapshot(made.id, { name: 's' });
  // Over the place where the first blob's two segments meet, and over the end of the blob.
  for (const at of [32 * mib - 65_536, 40 * mib - 4096]) await write(made.id, at, change);
  const expected = Buffer.from(bytes);
  for (const at of [32 * mib - 65_536, 40 * mib - 4096]) change.copy(expected, at);
  expect((await content(made.id)).equals(expected)).toBe(true);
  await volumes.close();
  volumes = await start(store);
  expect((await content(made.id)).equals(expected)).toBe(true);
  const from = { volume: made.id, snapshot: snapshot.id };
  const clone = await volumes.create({ name: 'c', project: 'p', from });
  await volumes.deleteSnapshot(made.id, snapshot.id);
  await volumes.delete(made.id);
  expect(held.size).toBe(1);
  expect((await content(clone.id)).equals(bytes)).toBe(true);
  await volumes.delete(clone.id);
  expect(held.size).toBe(0);
  expect(store.contents.size).toBe(0);
});

it('copies what no map can point to, and what has to be sealed', async () => {
  const odd = [mib + 100, mib];
  const made = await volumes.create({ name: 'a', project: 'p', from: { bytes: stored(odd) } });
  expect(made.shares).toBeUndefined();
  expect(held.size).toBe(0);
  expect((await content(made.id, 2 * mib + 100)).equals(bytes.subarray(0, 2 * mib + 100))).toBe(
    true,
  );
  const refusing = { ...stored([mib]), hold: async () => undefined };
  const read = await volumes.create({ name: 'b', project: 'p', from: { bytes: refusing } });
  expect((await content(read.id, mib)).equals(bytes.subarray(0, mib))).toBe(true);
  await expect(
    volumes.create({ name: 'c', project: 'p', sizeBytes: mib, from: { bytes: stored() } }),
  ).rejects.toThrow('larger than the volume');
});

it('cut off anywhere, is made by the next attempt, and leaves nothing of the one before', async () => {
  const id = '11111111-2222-4333-8444-555555555555';
  const wanted = { id, name: 'a', project: 'p', from: { bytes: stored([mib, mib]) } };
  for (let cut = 1; ; cut++) {
    let calls = 0;
    store.hook = async () => {
      // From here on nothing works: so would it be if the process had ended.
      if (++calls >= cut) throw new Error('cut');
    };
    const finished = await volumes.create(wanted).then(
      () => true,
      () => false,
    );
    store.hook = () => Promise.resolve();
    if (finished) {
      expect(calls).toBeLessThan(cut);
      expect(cut).toBeGreaterThan(10);
      break;
    }
    await volumes.create(wanted);
    expect(held.size, `cut at ${cut}`).toBe(1);
    expect((await content(id, 2 * mib)).equals(bytes.subarray(0, 2 * mib)), `${cut}`).toBe(true);
    await volumes.delete(id, { force: true });
    expect(held.size, `cut at ${cut}`).toBe(0);
    expect(store.contents.size, `cut at ${cut}`).toBe(0);
  }
});
