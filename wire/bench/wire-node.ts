/** The serving process of the wire bench: one memory device on a unix socket; says its CPU time when asked. */
import { defaultsOf, silentLogger, systemClock } from '#common';
import { createMemoryDevice } from '#storage-node';
import { serveDevices } from '../server/serve-devices.ts';
import { wireSettings } from '../settings.ts';

const path = process.argv[2] ?? '';
await serveDevices({
  devices: new Map([[0, createMemoryDevice()]]),
  address: { path },
  tls: 'plaintext',
  cluster: 'bench',
  settings: defaultsOf(wireSettings),
  clock: systemClock,
  log: silentLogger,
});
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.send?.(0);
