/** What the cluster client costs over three memory devices in one process: `node cluster/bench/cluster-bench.ts`. */
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '#common';
import { createMemoryDevice } from '#storage-node';
import { createCluster } from '../cluster.ts';
import { fixedPlacement } from '../placement.ts';
import { clusterSettings } from '../settings.ts';

const devices = new Map([0, 1, 2].map((device) => [device, createMemoryDevice()]));
const cluster = createCluster({
  ring: fixedPlacement([0, 1, 2]),
  devices,
  salt: Buffer.alloc(16, 1),
  coordinator: 1,
  clock: systemClock,
  random: systemRandom,
  settings: defaultsOf(clusterSettings),
  log: silentLogger,
  metrics: createMetrics(),
});
const { tables } = cluster;
const ref = (index: number) => ({
  table: 'objects',
  partition: 'account/container',
  sort: `object-${String(index).padStart(8, '0')}`,
});
const value = { meta: Buffer.alloc(120), bytes: 4096, body: systemRandom.bytes(4096) };
const rows = 20_000;

await measure('put 4 KiB', rows, 32, (index) => tables.put(ref(index), value));
await measure('get 4 KiB', rows, 32, (index) => tables.get(ref(index), { body: true }));
await measure('update', 5000, 32, (index) => tables.update(ref(index), () => value));
const list = { table: 'objects', partition: 'account/container', limit: 10_000 };
await measure('list 10,000 rows', 20, 1, () => tables.list(list));
await measure('totals', 20, 1, () => tables.totals('objects', 'account/container'));
await cluster.close();

async function measure(
  name: string,
  count: number,
  atOnce: number,
  call: (index: number) => Promise<unknown>,
): Promise<void> {
  const before = process.cpuUsage();
  let next = 0;
  const worker = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const { user, system } = process.cpuUsage(before);
  console.log(`${name.padEnd(20)} ${((user + system) / count).toFixed(1).padStart(10)} µs of CPU`);
}
