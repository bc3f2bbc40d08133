import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createMetrics,
  defaultsOf,
  MemoryDisk,
  seededRandom,
  silentLogger,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import { deviceServiceContract } from '../../wire/device-service.contract.ts';
import { MemoryIndex } from '../index/memory-index.ts';
import { storageNodeSettings } from '../settings.ts';
import { openDevice } from './open-device.ts';

const settings = defaultsOf(storageNodeSettings);
const around = { settings, clock: systemClock, log: silentLogger };

deviceServiceContract('the disk store on a real disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pileus-device-'));
  const device = await openDevice({
    ...around,
    folder,
    disk: systemDisk,
    random: systemRandom,
    metrics: createMetrics(),
  });
  return {
    device,
    close: async () => {
      await device.close();
      await rm(folder, { recursive: true });
    },
  };
});

deviceServiceContract('the disk store in memory', async () => {
  const device = await openDevice({
    ...around,
    settings: { ...settings, logFileBytes: 256 * 1024, logAheadBytes: 16 * 1024 },
    folder: '/device',
    disk: new MemoryDisk(),
    random: seededRandom(1),
    metrics: createMetrics(),
    index: new MemoryIndex(),
  });
  return { device, close: () => device.close() };
});
