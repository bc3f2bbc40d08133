import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { proxySettings } from '../settings.ts';
import { createObjectService } from './create-service.ts';
import { objectServiceContract } from './object-service.contract.ts';
import { createMemoryCluster } from './testing/memory-cluster.ts';

export const contractSettings = {
  ...defaultsOf(proxySettings),
  inlineBytesMax: 1_000,
  blobBytesMax: 65_536,
  bodyBufferBytes: 65_536,
  partBytesMin: 100,
  containerCacheMs: 0,
  blobDeleteDelayMs: 0,
};

objectServiceContract('over memory', async () => {
  const cluster = createMemoryCluster(seededRandom(1));
  const service = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    clock: systemClock,
    random: seededRandom(2),
    log: silentLogger,
    settings: contractSettings,
  });
  return {
    service,
    settledBlobs: async () => {
      let before = -1;
      while (before !== cluster.stored.size) {
        before = cluster.stored.size;
        await systemClock.sleep(20);
      }
      return before;
    },
    close: () => service.close(),
  };
});
