/**
 * Random operations with a power loss at a random write or sync, several times over, against a plain model: what
 * was acknowledged is there, what was not may be there whole, and nothing else is.
 */
import { expect, test } from 'vitest';
import {
  createMetrics,
  defaultsOf,
  isFailure,
  MemoryDisk,
  type Random,
  seededRandom,
  silentLogger,
  VirtualClock,
} from '#common';
import type { BlobKey, RowKey, RowWrite, Version } from '#wire';
import type { IndexBatch } from '../index/index-store.ts';
import { MemoryIndex } from '../index/memory-index.ts';
import { createMemoryDevice } from '../memory/memory-device.ts';
import { storageNodeSettings } from '../settings.ts';
import type { DeviceStore } from './device-store.ts';
import { openDevice } from './open-device.ts';

const settings = {
  ...defaultsOf(storageNodeSettings),
  logFileBytes: 64 * 1024,
  logAheadBytes: 8192,
  groupBytesMax: 64 * 1024,
  ownFileBytesMin: 20_000,
  gatherBytes: 16_384,
  checkpointBytes: 64 * 1024,
  rowCacheBytes: 20_000,
  reserveBytes: 0,
  freeSlotsMax: 2,
};

const keys: RowKey[] = Array.from({ length: 12 }, (_, i) => ({
  table: 'objects',
  partition: i % 3 === 0 ? 'p' : 'q',
  sort: `row-${i}`,
  hash: 5,
}));
const blobs: BlobKey[] = Array.from({ length: 6 }, (_, i) => ({
  id: String(i).padStart(32, '0'),
  hash: i,
}));

interface BlobModel {
  /** Content seed and length, or undefined for none. */
  acked: string | undefined;
  /** What it may be as well, because an operation on it was cut short. */
  maybe: (string | undefined)[];
  busy: boolean;
}

class Model {
  readonly issued = new Map<string, RowWrite>();
  readonly accepted = new Map<RowKey, Version>();
  readonly promised = new Map<RowKey, number>();
  readonly blobs = new Map<BlobKey, BlobModel>(
    blobs.map((key) => [key, { acked: undefined, maybe: [], busy: false }]),
  );
  fence = 0;
}

class CrashableIndex extends MemoryIndex {
  onApply: () => void = () => {};

  override async apply(batch: IndexBatch): Promise<void> {
    this.onApply();
    await super.apply(batch);
  }
}

/** A device's world: it ends at the given number of disk operations, and what is left of it can be picked up. */
class World {
  left: { disk: MemoryDisk; index: CrashableIndex } | undefined;
  readonly disk: MemoryDisk;
  readonly index: CrashableIndex;
  device: DeviceStore | undefined;

  constructor(disk: MemoryDisk, index: CrashableIndex) {
    this.disk = disk;
    this.index = index;
  }

  crashAfter(operations: number, random: Random): void {
    let count = 0;
    const tick = (): void => {
      if (this.left !== undefined) throw new Error('the power is off');
      if (++count < operations) return;
      this.left = { disk: this.disk.crash(random), index: this.crashedIndex(random) };
      throw new Error('the power went off');
    };
    this.disk.faults.before = (operation) => {
      if (operation !== 'read') tick();
    };
    this.index.onApply = tick;
  }

  private crashedIndex(random: Random): CrashableIndex {
    const left = this.index.crash(random);
    return Object.assign(new CrashableIndex(), left, { onApply: () => {} });
  }

  async open(random: Random): Promise<DeviceStore> {
    this.device = await openDevice({
      folder: '/device',
      settings,
      disk: this.disk,
      clock: new VirtualClock(),
      random,
      log: silentLogger,
      metrics: createMetrics(),
      index: this.index,
    });
    return this.device;
  }
}

function contentOf(name: string): Buffer {
  const [seed = 0, length = 0] = name.split(':').map(Number);
  return seededRandom(seed).bytes(length);
}

let clockUs = 1;

async function act(device: DeviceStore, model: Model, random: Random): Promise<void> {
  const choice = random.below(100);
  const key = keys[random.below(keys.length)];
  const blob = blobs[random.below(blobs.length)];
  if (key === undefined || blob === undefined) return;
  if (choice < 55) await accept(device, model, { key, random });
  else if (choice < 63) await promise(device, model, key);
  else if (choice < 80) await put(device, model, { blob, random });
  else if (choice < 92) await remove(device, model, blob);
  else if (choice < 96) {
    const epoch = ++clockUs;
    const inForce = await device.raiseFence({ scope: 'v', epoch });
    model.fence = Math.max(model.fence, inForce);
  } else await device.compactNow();
}

async function accept(
  device: DeviceStore,
  model: Model,
  how: { key: RowKey; random: Random },
): Promise<void> {
  const { key, random } = how;
  const version = { timeUs: ++clockUs - random.below(4), coordinator: random.below(1000) };
  const deleted = random.below(5) === 0;
  const write: RowWrite = {
    key,
    version,
    deleted,
    meta: random.bytes(deleted ? 0 : random.below(random.below(10) === 0 ? 9000 : 200)),
    bytes: deleted ? 0 : random.below(1000),
    body: random.bytes(deleted ? 0 : random.below(3) * random.below(3000)),
  };
  model.issued.set(nameOf(key, version), write);
  const outcome = await device.acceptRow(write);
  if (outcome.outcome === 'ok') {
    const before = model.accepted.get(key);
    if (before === undefined || isNewer(version, before)) model.accepted.set(key, version);
  }
}

async function promise(device: DeviceStore, model: Model, key: RowKey): Promise<void> {
  const timeUs = ++clockUs;
  const outcome = await device.prepareRow(key, { timeUs, coordinator: 0 });
  if (outcome.outcome === 'promised')
    model.promised.set(key, Math.max(timeUs, model.promised.get(key) ?? 0));
}

async function put(
  device: DeviceStore,
  model: Model,
  how: { blob: BlobKey; random: Random },
): Promise<void> {
  const { blob, random } = how;
  const state = model.blobs.get(blob);
  if (state === undefined || state.busy || state.acked !== undefined) return;
  state.busy = true;
  const length = random.below(2) === 0 ? random.below(3000) : 20_000 + random.below(60_000);
  const name = `${random.below(1e9)}:${length}`;
  state.maybe = [name];
  const content = contentOf(name);
  if (random.below(2) === 0) await device.putBlob(blob, [content], {});
  else {
    const writer = await device.openBlob(blob, {});
    for (let at = 0; at < content.length; at += 9000)
      await writer.append([content.subarray(at, at + 9000)]);
    await writer.commit();
  }
  Object.assign(state, { acked: name, maybe: [], busy: false });
}

async function remove(device: DeviceStore, model: Model, blob: BlobKey): Promise<void> {
  const state = model.blobs.get(blob);
  if (state === undefined || state.busy) return;
  state.busy = true;
  state.maybe = [undefined];
  await device.deleteBlob(blob);
  Object.assign(state, { acked: undefined, maybe: [], busy: false });
}

function nameOf(key: RowKey, version: Version): string {
  return `${key.sort}@${version.timeUs}.${version.coordinator}`;
}

function isNewer(a: Version, b: Version): boolean {
  return a.timeUs > b.timeUs || (a.timeUs === b.timeUs && a.coordinator > b.coordinator);
}

async function check(device: DeviceStore, model: Model): Promise<void> {
  const twin = createMemoryDevice();
  for (const key of keys) {
    const row = await device.readRow(key, { body: true });
    const acked = model.accepted.get(key);
    if (row === undefined) {
      expect(acked, `${key.sort} was acknowledged`).toBeUndefined();
      continue;
    }
    const write = model.issued.get(nameOf(key, row.version));
    if (write === undefined) throw new Error(`${key.sort}: a version nobody wrote`);
    if (acked !== undefined) expect(isNewer(acked, row.version)).toBe(false);
    expect(row.meta.equals(write.meta) && row.body?.equals(write.body)).toBe(true);
    expect([row.deleted, row.bytes]).toEqual([write.deleted, write.bytes]);
    model.accepted.set(key, row.version);
    await twin.acceptRow(write);
    await checkPromise(device, model, key);
  }
  for (const partition of ['p', 'q']) {
    const request = { table: 'objects', partition, hash: 5, limit: 100 };
    expect(await device.scanRows(request)).toEqual(await twin.scanRows(request));
    expect(await device.aggregate('objects', partition, 5)).toEqual(
      await twin.aggregate('objects', partition, 5),
    );
  }
  await checkBlobs(device, model);
  const status = await device.status();
  expect(status.rows).toBe((await twin.status()).rows);
  expect(status.quarantined).toBe(0);
  const inForce = await device.raiseFence({ scope: 'v', epoch: 0 });
  expect(inForce).toBeGreaterThanOrEqual(model.fence);
  model.fence = inForce;
}

async function checkPromise(device: DeviceStore, model: Model, key: RowKey): Promise<void> {
  const ballot = model.promised.get(key);
  if (ballot === undefined) return;
  const older = { timeUs: ballot - 1, coordinator: 999 };
  expect((await device.prepareRow(key, older)).outcome).toBe('superseded');
}

async function checkBlobs(device: DeviceStore, model: Model): Promise<void> {
  let there = 0;
  for (const [key, state] of model.blobs) {
    const info = await device.statBlob(key);
    const candidates = [state.acked, ...state.maybe];
    if (info === undefined) {
      expect(candidates).toContain(undefined);
      Object.assign(state, { acked: undefined, maybe: [], busy: false });
      continue;
    }
    there++;
    const content = await device.readBlob(key, 0, 1024 * 1024);
    const match = candidates.find((name) => name !== undefined && contentOf(name).equals(content));
    expect(match, `blob ${key.id} holds something else`).toBeDefined();
    Object.assign(state, { acked: match, maybe: [], busy: false });
  }
  expect((await device.status()).blobs).toBe(there);
}

async function story(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const model = new Model();
  let world = new World(new MemoryDisk(), new CrashableIndex());
  for (let life = 0; life < 5; life++) {
    const device = await world.open(random);
    await check(device, model);
    world.crashAfter(1 + random.below(random.below(2) === 0 ? 30 : 400), random);
    while (world.left === undefined) {
      const acts = Array.from({ length: 1 + random.below(8) }, () => act(device, model, random));
      for (const result of await Promise.allSettled(acts)) {
        if (result.status === 'rejected' && world.left === undefined) throw result.reason;
      }
      if (random.below(40) === 0) await device.close().catch(() => {});
      if ((await device.status().catch(() => undefined))?.state === 'closed') break;
    }
    await device.close().catch((error: unknown) => expect(isFailure(error, 'bug')).toBe(false));
    const { left } = world;
    world = new World(left?.disk ?? world.disk, left?.index ?? world.index);
    world.disk.faults.before = () => {};
    world.index.onApply = () => {};
  }
  await check(await world.open(random), model);
  await world.device?.close();
}

const seeds = Array.from({ length: 30 }, (_, i) => i + 1);
test.each(seeds)('everything acknowledged survives, seed %i', (seed) => story(seed));
