import { expect, test } from 'vitest';
import {
  createMetrics,
  defaultsOf,
  MemoryDisk,
  seededRandom,
  silentLogger,
  systemClock,
} from '#common';
import { MemoryIndex } from '../index/memory-index.ts';
import { storageNodeSettings } from '../settings.ts';
import type { DeviceStore } from './device-store.ts';
import { openDevice } from './open-device.ts';

const key = { table: 't', partition: 'p', sort: 's', hash: 1 };
const blob = { id: 'ab'.repeat(16), hash: 1 };
const empty = Buffer.alloc(0);

function open(disk: MemoryDisk, index: MemoryIndex, replaced: boolean): Promise<DeviceStore> {
  const settings = { ...defaultsOf(storageNodeSettings), reserveBytes: 0 };
  const around = { settings, clock: systemClock, log: silentLogger, metrics: createMetrics() };
  return openDevice({ ...around, folder: '/d', disk, index, replaced, random: seededRandom(1) });
}

const refused = { kind: 'busy', code: 'device-refilling' };

test('an empty device in the place of one that was in use takes writes and answers no reader, until it is refilled', async () => {
  const disk = new MemoryDisk();
  const index = new MemoryIndex();
  const first = await open(disk, index, true);
  const write = { key, version: { timeUs: 1, coordinator: 1 }, deleted: false, meta: empty };
  await first.acceptRow({ ...write, bytes: 0, body: empty });
  await first.close();
  // The mark outlives a restart, and is not made again once it went.
  const device = await open(disk, index, true);
  expect((await device.status()).refilling).toBe(true);
  await expect(device.readRow(key, { body: false })).rejects.toMatchObject(refused);
  await expect(device.scanRows({ ...key, limit: 1 })).rejects.toMatchObject(refused);
  await expect(device.aggregate('t', 'p', 1)).rejects.toMatchObject(refused);
  await expect(device.prepareRow(key, { timeUs: 2, coordinator: 1 })).rejects.toMatchObject(
    refused,
  );
  await expect(device.readBlob(blob, 0, 1)).rejects.toMatchObject(refused);
  await expect(device.statBlob(blob)).rejects.toMatchObject(refused);
  const fence = { scope: 'v', epoch: 1 };
  await expect(device.putBlob(blob, [empty], { fence })).rejects.toMatchObject(refused);
  await device.putBlob(blob, [Buffer.from('x')], {});
  expect((await device.readBlob(blob, 0, 1)).toString()).toBe('x');
  const { versions } = await device.survey({ what: 'versions', of: key, limit: 9 });
  expect(versions.length).toBe(1);
  await device.survey({ what: 'refilled' });
  expect(await device.readRow(key, { body: false })).toBeDefined();
  await device.close();
  const after = await open(disk, index, true);
  expect((await after.status()).refilling).toBeUndefined();
  await after.close();
});

test('an empty device that never was in use is simply new', async () => {
  const device = await open(new MemoryDisk(), new MemoryIndex(), false);
  expect(await device.readRow(key, { body: false })).toBeUndefined();
  await device.close();
});
