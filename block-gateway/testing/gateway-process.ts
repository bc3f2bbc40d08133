/**
 * A process of its own with four storage devices, the cluster over them and a gateway with one volume behind a unix socket; to be killed, and to be
 * measured. `node gateway-process.ts FOLDER SOCKET SIZE [SETTINGS [NODE]]`: with NODE, the devices are behind that unix socket; prints a line of JSON when it is ready, and one for each line it
 * is sent: how much CPU it has used, and what the volume says of itself. The line `close` ends it properly.
 */
import { totalmem } from 'node:os';
import { argv, exit, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { clusterSettings, createCluster, fixedPlacement } from '#cluster';
import {
  createLogger,
  createMetrics,
  defaultsOf,
  joinPath,
  systemClock,
  systemDisk,
  systemNet,
  systemRandom,
} from '#common';
import { type DeviceStore, openDevice, storageNodeSettings } from '#storage-node';
import { connectNode, type DeviceService, wireSettings } from '#wire';
import { createNbdServer } from '../nbd/server.ts';
import { type BlockGatewaySettings, blockGatewaySettings } from '../settings.ts';
import { volumeExports } from '../volumes/nbd-exports.ts';
import { createVolumes } from '../volumes/volumes.ts';

const [, , folder = '', socketPath = '', size = '0', changes = '{}', remote = ''] = argv;
const changed: Partial<BlockGatewaySettings> = JSON.parse(changes);
const shared = {
  disk: systemDisk,
  clock: systemClock,
  random: systemRandom,
  log: createLogger({ level: 'warn' }),
};
const settings = { ...defaultsOf(blockGatewaySettings), ...changed };

const opened: DeviceStore[] = [];
const devices = new Map<number, DeviceService>();
const node =
  remote === ''
    ? undefined
    : connectNode({
        ...shared,
        cluster: 'test',
        client: 'gateway',
        address: { path: remote },
        tls: 'plaintext',
        settings: defaultsOf(wireSettings),
      });
for (let number = 0; number < 4; number++) {
  if (node !== undefined) {
    devices.set(number, node.device(number));
    continue;
  }
  const place = {
    folder: joinPath(folder, `device-${number}`),
    settings: defaultsOf(storageNodeSettings),
  };
  const device = await openDevice({ ...shared, ...place, metrics: createMetrics() });
  opened.push(device);
  devices.set(number, device);
}
const cluster = createCluster({
  ...shared,
  ring: fixedPlacement([0, 1, 2], [3]),
  devices,
  salt: Buffer.alloc(16, 7),
  coordinator: systemRandom.below(2 ** 32),
  settings: defaultsOf(clusterSettings),
  metrics: createMetrics(),
});
const { tables, blobs } = cluster;
const volumes = await createVolumes({
  ...shared,
  tables,
  blobs,
  folder: joinPath(folder, 'log'),
  settings,
  memoryBytes: totalmem(),
  metrics: createMetrics(),
  gateway: 'gateway-1',
});
const found = await volumes.find('p', 'v');
const head = found ?? (await volumes.create({ name: 'v', project: 'p', sizeBytes: Number(size) }));
const server = createNbdServer({
  ...shared,
  exports: volumeExports(volumes),
  settings,
  net: systemNet,
});
await server.listen({ path: socketPath });
const { volume, release } = await volumes.open(head.id);
say({ ready: head.id });

function say(what: object): void {
  stdout.write(`${JSON.stringify(what)}\n`);
}

for await (const line of createInterface({ input: stdin })) {
  if (line === 'close') break;
  const { user, system } = process.cpuUsage();
  say({
    cpuUs: user + system,
    systemUs: system,
    rss: process.memoryUsage().rss,
    ...volume.stats(),
  });
}
await server.close();
release();
await volumes.close();
await cluster.close();
await node?.close();
for (const device of opened) await device.close();
exit(0);
