/** The object service over the real cluster client and memory devices. */
import { clusterSettings, createCluster, fixedPlacement } from '#cluster';
import {
  createMetrics,
  defaultsOf,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
} from '#common';
import { createMemoryDevice } from '#storage-node';
import { proxySettings } from '../settings.ts';
import { createObjectService } from './create-service.ts';
import { objectServiceContract } from './object-service.contract.ts';

const settings = {
  ...defaultsOf(proxySettings),
  inlineBytesMax: 1_000,
  blobBytesMax: 65_536,
  bodyBufferBytes: 65_536,
  partBytesMin: 100,
  containerCacheMs: 0,
  blobDeleteDelayMs: 0,
};

objectServiceContract('over a cluster of memory devices', async () => {
  const devices = [0, 1, 2].map(() => createMemoryDevice());
  const shared = { clock: systemClock, random: systemRandom, log: silentLogger };
  const cluster = createCluster({
    ...shared,
    metrics: createMetrics(),
    ring: fixedPlacement([0, 1, 2]),
    devices: new Map(devices.map((device, number) => [number, device])),
    salt: seededRandom(3).bytes(16),
    coordinator: 1,
    settings: defaultsOf(clusterSettings),
  });
  const service = createObjectService({ ...shared, ...cluster, settings });
  const countBlobs = async () => {
    const [first] = devices;
    return (await first?.listBlobs({ limit: 1_000 }))?.length ?? 0;
  };
  return {
    service,
    settledBlobs: async () => {
      let before = -1;
      let now = await countBlobs();
      while (before !== now) {
        before = now;
        await systemClock.sleep(50);
        now = await countBlobs();
      }
      return now;
    },
    close: async () => {
      await service.close();
      await cluster.close();
    },
  };
});
