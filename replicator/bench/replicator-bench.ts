/**
 * What comparing and refilling cost on three disk devices in one process: `node replicator/bench/replicator-bench.ts [rows] [folder] [bytes of each]`.
 * Rows lie in one partition key; 100 of them are missing on one device, then one device is replaced by an empty one.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  createMetrics,
  defaultsOf,
  silentLogger,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import { type DeviceStore, openDevice, storageNodeSettings } from '#storage-node';
import type { RowWrite } from '#wire';
import { createReplicator, memoryCursors, replicatorSettings } from '../index.ts';

const rows = Number(process.argv[2] ?? 100_000);
const folder = process.argv[3] ?? '/tmp/pileus-replicator-bench';
const missing = 100;
const bodyBytes = Number(process.argv[4] ?? 1000);

function rowAt(at: number): RowWrite {
  const sort = `object-${String(at).padStart(9, '0')}`;
  const key = { table: 'object', partition: 'container/0', sort, hash: 7 };
  const version = { timeUs: at + 1, coordinator: 1 };
  const [meta, body] = [Buffer.alloc(120, 1), Buffer.alloc(bodyBytes, at)];
  return { key, version, deleted: false, meta, bytes: bodyBytes, body };
}

function open(name: string, replaced = false): Promise<DeviceStore> {
  return openDevice({
    folder: join(folder, name),
    settings: { ...defaultsOf(storageNodeSettings), reserveBytes: 0 },
    disk: systemDisk,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics(),
    replaced,
  });
}

async function fill(device: DeviceStore, isLeftOut: (at: number) => boolean): Promise<void> {
  for (let from = 0; from < rows; from += 1000) {
    const batch = [];
    for (let at = from; at < Math.min(rows, from + 1000); at++)
      if (!isLeftOut(at)) batch.push(device.acceptRow(rowAt(at)));
    await Promise.all(batch);
  }
}

async function pass(devices: readonly DeviceStore[], what: string): Promise<void> {
  let calls = 0;
  const counted = devices.map(
    (device) =>
      new Proxy(device, {
        get: (inner, name) => {
          calls += 1;
          return Reflect.get(inner, name).bind(inner);
        },
      }),
  );
  const replicator = createReplicator({
    ring: { partitionCount: 1024, primaries: () => [{ id: 0 }, { id: 1 }, { id: 2 }] },
    devices: new Map(counted.map((device, at) => [at, device])),
    cursors: memoryCursors(),
    clock: systemClock,
    settings: {
      ...defaultsOf(replicatorSettings),
      ...{ enabled: false, settleMs: 0, restRatio: 0, scrubPassRestRatio: 0 },
    },
    log: silentLogger,
    metrics: createMetrics(),
  });
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  await replicator.repairOnce();
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const { copiedRows, copiedBytes } = replicator.status();
  process.stdout.write(
    `${what}: ${calls} messages, ${copiedRows} rows copied (${Math.round(copiedRows / seconds)}/s, ${(copiedBytes / seconds / 1e6).toFixed(1)} MB/s), ${seconds.toFixed(2)} s, ${((user + system) / 1e6).toFixed(2)} s of CPU\n`,
  );
  await replicator.close();
}

rmSync(folder, { recursive: true, force: true });
const [one, two, three] = await Promise.all([open('one'), open('two'), open('three')]);
await fill(one, () => false);
await fill(two, () => false);
await fill(three, (at) => at % Math.floor(rows / missing) === 0);
await pass([one, two, three], `${missing} of ${rows} rows missing`);
await pass([one, two, three], `${rows} rows that agree`);
await three.close();
rmSync(join(folder, 'three'), { recursive: true });
const replaced = await open('three', true);
await pass([one, two, replaced], 'a replaced device');
for (const device of [one, two, replaced]) await device.close();
rmSync(folder, { recursive: true });
