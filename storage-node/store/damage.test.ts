/** Bits that flip, an index that is deleted, a disk that fills up, a folder that is not ours. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  createMetrics,
  defaultsOf,
  Failure,
  isFailure,
  MemoryDisk,
  seededRandom,
  silentLogger,
  VirtualClock,
} from '#common';
import type { BlobKey, RowKey, RowWrite } from '#wire';
import { MemoryIndex } from '../index/memory-index.ts';
import { storageNodeSettings } from '../settings.ts';
import type { DeviceStore } from './device-store.ts';
import { openDevice } from './open-device.ts';

const settings = {
  ...defaultsOf(storageNodeSettings),
  logFileBytes: 128 * 1024,
  logAheadBytes: 8192,
  groupBytesMax: 64 * 1024,
  ownFileBytesMin: 20_000,
  reserveBytes: 0,
};

interface World {
  readonly disk: MemoryDisk;
  readonly index: MemoryIndex;
  readonly clock: VirtualClock;
}

function newWorld(): World {
  return { disk: new MemoryDisk(), index: new MemoryIndex(), clock: new VirtualClock() };
}

function open(world: World, more: Partial<typeof settings> = {}): Promise<DeviceStore> {
  return openDevice({
    folder: '/device',
    settings: { ...settings, ...more },
    random: seededRandom(7),
    log: silentLogger,
    metrics: createMetrics(),
    ...world,
  });
}

const keyOf = (i: number): RowKey => ({ table: 't', partition: 'p', sort: `row ${i}`, hash: 1 });
const blobOf = (i: number): BlobKey => ({ id: String(i).padStart(32, '0'), hash: i });

function writeOf(i: number, timeUs = 1): RowWrite {
  const random = seededRandom(i);
  return {
    key: keyOf(i),
    version: { timeUs, coordinator: 1 },
    deleted: false,
    meta: random.bytes(i === 3 ? 6000 : 100),
    bytes: 1,
    body: random.bytes(2000),
  };
}

const rowCount = 20;
const blobSizes = [3000, 50_000, 15_000, 70_000];
const contentOf = (i: number) => seededRandom(100 + i).bytes(blobSizes[i] ?? 0);

async function fill(device: DeviceStore): Promise<void> {
  for (let i = 0; i < rowCount; i++) await device.acceptRow(writeOf(i));
  for (const i of blobSizes.keys()) await device.putBlob(blobOf(i), [contentOf(i)], {});
}

async function flip(disk: MemoryDisk, path: string, at: number): Promise<void> {
  const file = await disk.open(path, 'write');
  const byte = Buffer.alloc(1);
  await file.read(byte, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await file.write([byte], at);
  await file.sync();
  await file.close();
}

async function filesUnder(disk: MemoryDisk, folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await disk.list(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...(await filesUnder(disk, path)));
    else found.push(path);
  }
  return found;
}

async function sizeOf(disk: MemoryDisk, path: string): Promise<number> {
  const file = await disk.open(path, 'read');
  const size = await file.size();
  await file.close();
  return size;
}

/** Everything reads right or as corrupt; returns how many were corrupt. */
async function inspect(device: DeviceStore): Promise<number> {
  let corrupt = 0;
  const judge = async (work: Promise<boolean>): Promise<void> => {
    const isRight = await work.catch((error: unknown) => {
      if (!isFailure(error, 'corrupt')) throw error;
      corrupt++;
      return true;
    });
    expect(isRight).toBe(true);
  };
  for (let i = 0; i < rowCount; i++) {
    const write = writeOf(i);
    const read = device.readRow(write.key, { body: true });
    await judge(
      read.then((row) => !!row?.meta.equals(write.meta) && !!row.body?.equals(write.body)),
    );
  }
  for (const i of blobSizes.keys()) {
    const read = device.readBlob(blobOf(i), 0, 1_000_000);
    await judge(read.then((bytes) => bytes.equals(contentOf(i))));
  }
  return corrupt;
}

test('a flipped bit anywhere is never served, and is mended by writing again', async () => {
  const random = seededRandom(11);
  for (let round = 0; round < 25; round++) {
    const world = newWorld();
    const first = await open(world);
    await fill(first);
    await first.close();
    const files = await filesUnder(world.disk, '/device');
    const data = files.filter((path) => !path.endsWith('.json'));
    const path = data[random.below(data.length)] ?? '';
    const size = await sizeOf(world.disk, path);
    if (size === 0) continue;
    await flip(world.disk, path, random.below(size));
    const device = await open(world, { rowCacheBytes: 0 });
    const corrupt = await inspect(device);
    expect((await device.status()).quarantined).toBe(corrupt);
    expect((await device.listQuarantined(100)).length).toBe(corrupt);
    await fill(device);
    expect(await inspect(device)).toBe(0);
    expect((await device.status()).quarantined).toBe(0);
    await device.close();
  }
});

test('a lost body stays corrupt through restart, compaction and a new index; it never looks missing', async () => {
  const world = newWorld();
  let device = await open(world);
  await fill(device);
  await device.close();
  await flip(world.disk, '/device/log/00000001.log', 64 + 72 + 120 + 500);
  device = await open(world, { rowCacheBytes: 0 });
  await expect(device.readRow(keyOf(0), { body: true })).rejects.toMatchObject({ kind: 'corrupt' });
  await expect(device.prepareRow(keyOf(0), { timeUs: 9, coordinator: 1 })).rejects.toMatchObject({
    code: 'row-corrupt',
  });
  for (let i = 1; i < rowCount; i++) await device.acceptRow(writeOf(i, 2));
  for (let round = 3; round < 8; round++)
    for (let i = 1; i < rowCount; i++) await device.acceptRow(writeOf(i, round));
  await device.compactNow();
  expect(await world.disk.exists('/device/log/00000001.log')).toBe(false);
  await device.close();
  await world.index.wipe();
  device = await open(world);
  await expect(device.readRow(keyOf(0), { body: false })).rejects.toMatchObject({
    kind: 'corrupt',
  });
  expect(await device.acceptRow(writeOf(0))).toMatchObject({ outcome: 'ok' });
  expect((await device.readRow(keyOf(0), { body: true }))?.body).toEqual(writeOf(0).body);
  await device.close();
});

test('an index deleted by hand is made anew from the log', async () => {
  const world = newWorld();
  let device = await open(world);
  await fill(device);
  await device.raiseFence({ scope: 'v', epoch: 9 });
  await device.prepareRow(keyOf(0), { timeUs: 50, coordinator: 1 });
  await device.deleteBlob(blobOf(1));
  await device.deleteBlob(blobOf(0));
  const before = await device.status();
  const aggregate = await device.aggregate('t', 'p', 1);
  await device.close();
  await world.index.wipe();
  device = await open(world);
  const { rows, blobs, deadBytes } = await device.status();
  expect({ rows, blobs }).toEqual({ rows: before.rows, blobs: before.blobs });
  expect(deadBytes).toBeLessThanOrEqual(before.deadBytes + settings.logAheadBytes);
  expect(await device.aggregate('t', 'p', 1)).toEqual(aggregate);
  expect(await device.raiseFence({ scope: 'v', epoch: 1 })).toBe(9);
  expect((await device.acceptRow(writeOf(0, 49))).outcome).toBe('superseded');
  expect(await device.statBlob(blobOf(1))).toBeUndefined();
  await device.close();
});

test('compaction gives back what was overwritten and deleted, and keeps the rest', async () => {
  const world = newWorld();
  const device = await open(world);
  await fill(device);
  for (let round = 2; round < 30; round++)
    for (let i = 4; i < rowCount; i++) await device.acceptRow(writeOf(i, round));
  const before = await device.status();
  await device.compactNow();
  const after = await device.status();
  expect(after.usedBytes).toBeLessThan(before.usedBytes / 2);
  expect(await inspect(device)).toBe(0);
  await device.close();
});

test('a full device refuses writes, takes deletes, and recovers', async () => {
  const world = newWorld();
  const device = await open(world, { reserveBytes: 100_000 });
  await fill(device);
  const { usedBytes } = await device.status();
  world.disk.faults.capacityBytes = usedBytes + 150_000;
  await world.clock.advance(2000);
  let refused: unknown;
  for (let i = 100; i < 1000 && refused === undefined; i++) {
    await world.clock.advance(100);
    await device.acceptRow(writeOf(i)).catch((error: unknown) => {
      refused = error;
    });
  }
  expect(refused).toMatchObject({ kind: 'busy', code: 'device-full' });
  expect((await device.status()).state).toBe('full');
  await device.deleteBlob(blobOf(3));
  expect(await inspectRow(device, 5)).toBe(true);
  world.disk.faults.capacityBytes = 10_000_000;
  expect((await device.acceptRow(writeOf(2000))).outcome).toBe('ok');
  expect((await device.status()).state).toBe('ok');
  await device.close();
});

async function inspectRow(device: DeviceStore, i: number): Promise<boolean> {
  const row = await device.readRow(keyOf(i), { body: true });
  return row?.body?.equals(writeOf(i).body) === true;
}

test('a disk that turns read-only or fails is answered for, and comes back', async () => {
  for (const [code, state, answer] of [
    ['disk-read-only', 'read-only', { kind: 'busy', code: 'device-read-only' }],
    ['disk-error', 'failed', { kind: 'unreachable', code: 'disk-error' }],
    ['disk-full', 'full', { kind: 'busy', code: 'device-full' }],
  ] as const) {
    const world = newWorld();
    const device = await open(world);
    await fill(device);
    const kind = code === 'disk-error' ? 'unreachable' : 'busy';
    world.disk.faults.before = (operation) => {
      if (operation !== 'read') throw new Failure(kind, code, 'injected');
    };
    const writes = [50, 51, 52].map((i) => device.acceptRow(writeOf(i)));
    for (const write of writes) await expect(write).rejects.toMatchObject(answer);
    if (code !== 'disk-full') expect((await device.status()).state).toBe(state);
    expect(await inspectRow(device, 5)).toBe(true);
    expect(await device.readRow(keyOf(50), { body: false })).toBeUndefined();
    world.disk.faults.before = () => {};
    await world.clock.advance(1500);
    expect((await device.acceptRow(writeOf(50))).outcome).toBe('ok');
    expect((await device.status()).state).toBe('ok');
    await device.close();
  }
});

test('a streamed blob whose disk fills up behind the writer is told so, and so is the device', async () => {
  for (const [code, kind, known] of [
    ['disk-full', 'busy', 'device-full'],
    ['disk-error', 'unreachable', 'disk-error'],
  ] as const) {
    const world = newWorld();
    const device = await open(world, { gatherBytes: 20_000 });
    const writer = await device.openBlob(blobOf(3), { lengthHint: 80_000 });
    await writer.append([Buffer.alloc(20_000)]);
    await world.clock.advance(10);
    world.disk.faults.before = (operation) => {
      if (operation === 'write') throw new Failure(kind, code, 'injected');
    };
    await writer.append([Buffer.alloc(20_000)]);
    // Lets the write behind fail before anybody asks.
    await world.clock.advance(10);
    await expect(writer.append([Buffer.alloc(20_000)])).rejects.toMatchObject({
      kind,
      code: known,
    });
    await expect(writer.commit()).rejects.toMatchObject({ kind, code: known });
    await writer.abort();
    world.disk.faults.before = () => {};
    await world.clock.advance(2000);
    await device.putBlob(blobOf(3), [contentOf(3)], {});
    expect((await device.readBlob(blobOf(3), 0, 1_000_000)).equals(contentOf(3))).toBe(true);
    await device.close();
  }
});

test('a device that cannot checkpoint as it closes lets go of everything all the same', async () => {
  const world = newWorld();
  const device = await open(world);
  await fill(device);
  world.index.faults.apply = new Failure('busy', 'disk-full', 'injected');
  await expect(device.close()).rejects.toMatchObject({ code: 'disk-full' });
  expect(world.index.isClosed).toBe(true);
  world.index.faults.apply = undefined;
  const again = await open(world);
  expect(await inspect(again)).toBe(0);
  await again.close();
});

test('more waiting than allowed is answered busy', async () => {
  const device = await open(newWorld(), { waitingBytesMax: 64 * 1024 });
  const writes = Array.from({ length: 100 }, (_, i) => device.acceptRow(writeOf(i)));
  const results = await Promise.allSettled(writes);
  const refused = results.filter((result) => result.status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused)
    expect(reason).toMatchObject({ kind: 'busy', code: 'too-many-waiting' });
  await device.close();
  await expect(device.readRow(keyOf(0), { body: false })).rejects.toMatchObject({ kind: 'closed' });
});

test('a folder of a newer version, or of another device, is refused', async () => {
  const world = newWorld();
  await (await open(world)).close();
  await expect(
    openDevice({
      ...{ folder: '/device', settings, random: seededRandom(1), log: silentLogger },
      ...{ metrics: createMetrics(), deviceId: randomBytes(16).toString('hex') },
      ...world,
    }),
  ).rejects.toMatchObject({ kind: 'conflict', code: 'other-device' });
  const file = await world.disk.open('/device/device.json', 'write');
  const newer = Buffer.from(JSON.stringify({ format: 2, device: 'x', cluster: '' }));
  await file.truncate(0);
  await file.write([newer], 0);
  await expect(open(world)).rejects.toMatchObject({ kind: 'invalid', code: 'newer-format' });
});
