/** When the memory of a blob that was put may be used again. */
import { expect, test } from 'vitest';
import {
  createMetrics,
  defaultsOf,
  Failure,
  seededRandom,
  silentLogger,
  systemClock,
} from '#common';
import { createMemoryDevice } from '#storage-node';
import type { DeviceService } from '#wire';
import { createCluster } from './cluster.ts';
import { fixedPlacement } from './placement.ts';
import { clusterSettings } from './settings.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Two devices that are quick, and one that is `slow`. */
function clusterWith(slow: DeviceService) {
  const devices = new Map<number, DeviceService>([
    [0, createMemoryDevice()],
    [1, createMemoryDevice()],
    [2, slow],
  ]);
  return createCluster({
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
}

test('a put is released only when the replica that nobody waited for has let go as well', async () => {
  const { promise: late, resolve: finish } = Promise.withResolvers<void>();
  const cluster = clusterWith({ ...createMemoryDevice(), putBlob: () => late });
  let released = 0;
  await cluster.blobs.put([Buffer.from('segment')], { onReleased: () => released++ });
  await turn();
  await turn();
  expect(released).toBe(0);
  finish();
  await turn();
  await turn();
  expect(released).toBe(1);
  await cluster.close();
});

test('whoever cannot know what is still on its way to a replica says so', async () => {
  const cases = [
    [new Failure('unreachable', 'deadline-passed', 'late'), 'unknown'],
    [new Failure('unreachable', 'connection-lost', 'gone'), 'unknown'],
    [new Failure('busy', 'device-full', 'full'), 'free'],
  ] as const;
  for (const [failure, expected] of cases) {
    const cluster = clusterWith({
      ...createMemoryDevice(),
      putBlob: () => Promise.reject(failure),
    });
    const told: string[] = [];
    const onReleased = (how: string) => told.push(how);
    await cluster.blobs.put([Buffer.from('segment')], { onReleased });
    for (let turns = 0; turns < 4; turns++) await turn();
    expect(told, failure.code).toEqual([expected]);
    await cluster.close();
  }
});

test('so is what was appended to a stream, and never when a replica failed', async () => {
  for (const outcome of ['released', 'failed'] as const) {
    const { promise: late, resolve: finish, reject: fail } = Promise.withResolvers<void>();
    const slow: DeviceService = {
      ...createMemoryDevice(),
      openBlob: async () => ({
        append: async (_chunks, onReleased) => {
          await late;
          onReleased?.();
        },
        commit: async () => {},
        abort: async () => {},
      }),
    };
    const cluster = clusterWith(slow);
    const writer = await cluster.blobs.open();
    let released = 0;
    await writer.append([Buffer.from('part')], () => released++);
    await writer.commit();
    await turn();
    expect(released).toBe(0);
    if (outcome === 'released') finish();
    else fail(new Error('the disk is gone'));
    await turn();
    await turn();
    expect(released).toBe(outcome === 'released' ? 1 : 0);
    await cluster.close();
  }
});
