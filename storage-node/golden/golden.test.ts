/** Every stored version of the device formats still opens, with its index and without. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMetrics, MemoryDisk, seededRandom, silentLogger, VirtualClock } from '#common';
import { decodeBlobHeader } from '../blobs/blob-file.ts';
import { MemoryIndex } from '../index/memory-index.ts';
import { openDevice } from '../store/open-device.ts';
import {
  goldenBlobs,
  goldenDeleted,
  goldenFence,
  goldenPromise,
  goldenRows,
  goldenSettings,
} from './golden-content.ts';

async function load(folder: string): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'index.json') continue;
    const inside = entry.parentPath.slice(folder.length);
    await disk.makeDirectory(`/device${inside}`);
    const file = await disk.open(`/device${inside}/${entry.name}`, 'create');
    await file.write([await readFile(join(entry.parentPath, entry.name))], 0);
    await file.close();
  }
  return disk;
}

async function loadIndex(folder: string): Promise<MemoryIndex> {
  const parsed: unknown = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'));
  const index = new MemoryIndex();
  if (!Array.isArray(parsed)) throw new Error('not a list of entries');
  await index.apply(new Map(parsed.map(([name, value]) => [String(name), String(value)])));
  return index;
}

test.each([
  ['device-1', 'its index'],
  ['device-1', 'no index'],
  ['device-2', 'its index'],
  ['device-2', 'no index'],
])('%s with %s', async (name, with_) => {
  const folder = join(import.meta.dirname, name);
  const index = with_ === 'its index' ? await loadIndex(folder) : new MemoryIndex();
  const device = await openDevice({
    folder: '/device',
    settings: goldenSettings,
    disk: await load(folder),
    random: seededRandom(2),
    log: silentLogger,
    metrics: createMetrics(),
    clock: new VirtualClock(),
    index,
  });
  for (const { key, version, deleted, meta, bytes, body } of goldenRows) {
    const row = await device.readRow(key, { body: true });
    const rest = { sort: key.sort, bodyLength: body.length };
    expect(row).toEqual({ ...rest, version, deleted, meta, bytes, body });
  }
  const older = { timeUs: goldenPromise.ballot.timeUs - 1, coordinator: 7 };
  expect(await device.prepareRow(goldenPromise.key, older)).toEqual({
    outcome: 'superseded',
    by: goldenPromise.ballot,
  });
  expect(await device.raiseFence({ scope: goldenFence.scope, epoch: 0 })).toBe(goldenFence.epoch);
  for (const { key, content } of goldenBlobs)
    expect((await device.readBlob(key, 0, 1_000_000)).equals(content)).toBe(true);
  expect(await device.statBlob(goldenDeleted)).toBeUndefined();
  const aggregate = await device.aggregate('objects', 'päth', 0xfedcba98);
  // The digest is compared between replicas of different ages, so it belongs to the format.
  expect(aggregate).toEqual({ rows: 4, bytes: 4 * (2 ** 40 + 5), digest: '08371c8ee868f024' });
  await device.close();
});

test('a blob file explains itself', async () => {
  const path = join(import.meta.dirname, 'device-1/blobs/000000/0000000001.blob');
  const header = decodeBlobHeader(await readFile(path));
  expect(header).toMatchObject({ id: goldenBlobs[1]?.key.id, hash: 2, length: 70_000 });
  expect(header?.table.length).toBe(8);
});
