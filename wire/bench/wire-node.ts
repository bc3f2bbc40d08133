/** The serving process of the wire bench: one memory device; says where it listens, and its CPU time when asked. */
import { silentLogger } from '#common';
import { createMemoryDevice } from '#storage-node';
import { serveDevices } from '../server/serve-devices.ts';
import { shared, type Variant } from './variants.ts';

const variant: Variant = JSON.parse(process.argv[2] ?? '');
const server = await serveDevices({
  ...shared(variant),
  devices: new Map([[0, createMemoryDevice()]]),
  address: variant.address,
  log: silentLogger,
});
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.send?.(server.address);
