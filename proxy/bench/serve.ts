/** The proxy over three memory devices as a process of its own, for measuring what it costs by itself: prints its port as JSON. */

import { clusterSettings, createCluster, fixedPlacement } from '#cluster';
import {
  createMetrics,
  defaultsOf,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
} from '#common';
import { createObjectService, createSwiftServer, proxySettings, swiftSettings } from '#proxy';
import { createMemoryDevice } from '#storage-node';
import { createTestAuthenticator } from '../testing/front-door.ts';

const shared = {
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
  metrics: createMetrics(),
};
const cluster = createCluster({
  ...shared,
  ring: fixedPlacement([0, 1, 2]),
  devices: new Map([0, 1, 2].map((device) => [device, createMemoryDevice()])),
  salt: seededRandom(1).bytes(16),
  coordinator: 1,
  settings: defaultsOf(clusterSettings),
});
const settings = { ...defaultsOf(proxySettings), blobDeleteDelayMs: 0 };
const objects = createObjectService({ ...shared, ...cluster, settings });
const server = await createSwiftServer({
  ...shared,
  settings,
  objects,
  swift: defaultsOf(swiftSettings),
  address: { host: '127.0.0.1', port: 0 },
  authenticator: createTestAuthenticator(),
});
process.on('message', (message) => {
  if (message === 'cpu') process.send?.(process.cpuUsage());
  if (message === 'memory') process.send?.(process.memoryUsage());
  if (message === 'stop') process.exit(0);
});
process.send?.({ port: server.port });
