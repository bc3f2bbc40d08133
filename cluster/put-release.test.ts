/** When the memory of a blob that was put may be used again. */
import { expect, test } from 'vitest';
import { createMetrics, defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { createMemoryDevice } from '#storage-node';
import type { DeviceService } from '#wire';
import { createCluster } from './cluster.ts';
import { fixedPlacement } from './placement.ts';
import { clusterSettings } from './settings.ts';

test('a put is released only when the replica that nobody waited for has let go as well', async () => {
  let finish = () => {};
  const late = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const slow: DeviceService = {
    ...createMemoryDevice(),
    putBlob: () => late,
  };
  const devices = new Map<number, DeviceService>([
    [0, createMemoryDevice()],
    [1, createMemoryDevice()],
    [2, slow],
  ]);
  const cluster = createCluster({
    ring: fixedPlacement([0, 1, 2]),
    devices,
    salt: Buffer.alloc(16, 1),
    coordinator: 1,
    clock: systemClock,
    random: seededRandom(1),
    settings: defaultsOf(clusterSettings),
    log: silentLogger,
    metrics: createMetrics(),
  });
  let released = 0;
  await cluster.blobs.put([Buffer.from('segment')], { onReleased: () => released++ });
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(released).toBe(0);
  finish();
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(released).toBe(1);
  await cluster.close();
});
