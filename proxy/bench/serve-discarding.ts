/** The proxy over storage that takes its time and keeps nothing: what is resident then is the proxy's own. */

import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '#common';
import { createObjectService } from '../objects/index.ts';
import { createMemoryCluster } from '../objects/testing/memory-cluster.ts';
import { createSwiftServer } from '../server.ts';
import { proxySettings } from '../settings.ts';
import { swiftSettings } from '../swift/index.ts';
import { createTestAuthenticator } from '../testing/front-door.ts';

const memory = createMemoryCluster();
const shared = { clock: systemClock, random: systemRandom, log: silentLogger };
const settings = defaultsOf(proxySettings);
let serial = 0;
const objects = createObjectService({
  ...shared,
  settings,
  tables: memory.tables,
  blobs: {
    ...memory.blobs,
    open: async () => {
      serial += 1;
      const id = serial.toString(16).padStart(32, '0');
      let length = 0;
      return {
        id,
        append: async (chunks) => {
          for (const chunk of chunks) length += chunk.length;
          // Replicas answer after a while, so that bodies pile up if anything lets them.
          await systemClock.sleep(20);
        },
        commit: async () => ({ id, length }),
        abort: async () => undefined,
      };
    },
  },
});
const server = await createSwiftServer({
  ...shared,
  settings,
  objects,
  swift: defaultsOf(swiftSettings),
  metrics: createMetrics(),
  address: { host: '127.0.0.1', port: 0 },
  authenticator: createTestAuthenticator(),
});
process.on('message', (message) => {
  if (message === 'memory') process.send?.({ rss: process.memoryUsage.rss() });
});
process.send?.({ port: server.port });
