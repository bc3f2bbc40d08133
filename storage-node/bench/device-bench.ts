/** What one device costs: CPU microseconds per operation. `node storage-node/bench/device-bench.ts [FOLDER]`. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createMetrics,
  defaultsOf,
  silentLogger,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import type { BlobKey, RowKey, RowWrite } from '#wire';
import { type DeviceStore, openDevice, storageNodeSettings } from '../index.ts';

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'device-bench-'));
const body = systemRandom.bytes(4096);
const meta = Buffer.from(
  JSON.stringify({
    etag: 'd41d8cd98f00b204e9800998ecf8427e',
    type: 'image/jpeg',
    size: 4096,
    x: 'y'.repeat(40),
  }),
);

function keyOf(i: number): RowKey {
  const sort = `photos/2024/image-${String(i).padStart(8, '0')}.jpg`;
  return { table: 'objects', partition: 'account/container', sort, hash: 77 };
}

function writeOf(i: number): RowWrite {
  return {
    key: keyOf(i),
    version: { timeUs: 1_700_000_000_000_000 + i, coordinator: 1 },
    deleted: false,
    meta,
    bytes: 4096,
    body,
  };
}

async function measure(name: string, count: number, work: () => Promise<void>): Promise<void> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const used = process.cpuUsage(cpu);
  const wallMs = performance.now() - started;
  const cpuUs = (used.user + used.system) / count;
  const rate = Math.round((count / wallMs) * 1000);
  console.log(
    `${name.padEnd(40)} ${cpuUs.toFixed(1).padStart(9)} µs CPU  ${String(rate).padStart(8)}/s`,
  );
}

/** Runs `one` for 0 … count - 1, `width` at a time. */
async function across(count: number, width: number, one: (i: number) => Promise<unknown>) {
  let next = 0;
  const lane = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

function open(rowCacheBytes: number): Promise<DeviceStore> {
  const settings = { ...defaultsOf(storageNodeSettings), rowCacheBytes };
  const around = { disk: systemDisk, clock: systemClock, random: systemRandom, log: silentLogger };
  return openDevice({
    folder: join(folder, 'device'),
    settings,
    ...around,
    metrics: createMetrics(),
  });
}

const blobOf = (i: number): BlobKey => ({ id: i.toString(16).padStart(32, '0'), hash: i });
const chunks = Array.from({ length: 16 }, () => systemRandom.bytes(65_536));

/** How fast this machine is just now: on a quiet one about 1.6 ms; a shared one makes every figure here dearer. */
await measure('MD5 of 1 MiB, for comparison', 64, async () => {
  for (let i = 0; i < 64; i++) for (const chunk of chunks) createHash('md5').update(chunk).digest();
});

try {
  let device = await open(16 * 1024 * 1024);
  await across(5000, 32, (i) => device.acceptRow(writeOf(i)));
  await measure('acceptRow 4 KiB, 32 in flight', 20_000, () =>
    across(20_000, 32, (i) => device.acceptRow(writeOf(5000 + i))),
  );
  await measure('acceptRow 4 KiB, 1 in flight', 2000, () =>
    across(2000, 1, (i) => device.acceptRow(writeOf(25_000 + i))),
  );
  await measure('readRow with body, cached', 200_000, () =>
    across(200_000, 8, (i) => device.readRow(keyOf(26_000 + (i % 500)), { body: true })),
  );
  const scan = { table: 'objects', partition: 'account/container', hash: 77, limit: 10_000 };
  await device.scanRows(scan);
  await measure('scanRows 10,000 rows', 5, () => across(5, 1, () => device.scanRows(scan)));
  for (const round of ['fresh slots', 'used slots']) {
    await measure(`putBlob 1 MiB, 1 in flight, ${round}`, 60, () =>
      across(60, 1, (i) => device.putBlob(blobOf(i), chunks, {})),
    );
    await measure(`readBlob 1 MiB, ${round}`, 600, () =>
      across(600, 4, (i) => device.readBlob(blobOf(i % 60), 0, 1_048_576)),
    );
    await across(60, 8, (i) => device.deleteBlob(blobOf(i)));
  }
  await measure('putBlob 256 KiB, 4 in flight', 200, () =>
    across(200, 4, (i) => device.putBlob(blobOf(1000 + i), chunks.slice(0, 4), {})),
  );
  await measure('close', 1, () => device.close());
  await measure('open after a clean close', 1, async () => {
    device = await open(0);
  });
  await measure('readRow with body, uncached', 20_000, () =>
    across(20_000, 8, (i) => device.readRow(keyOf((i * 7919) % 27_000), { body: true })),
  );
  await device.close();
} finally {
  rmSync(folder, { recursive: true });
}
