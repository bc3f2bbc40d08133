/**
 * What a call between two processes costs: `node wire/bench/wire-bench.ts [NAME-PART]`. CPU of both ends per call, a memory
 * device behind it (its own cost is measured without the wire and shown beside); the ways take turns within each call.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, silentLogger, systemClock, systemRandom } from '#common';
import { createMemoryDevice } from '#storage-node';
import { connectNode, type NodeClient } from '../client/node-client.ts';
import type { DeviceService } from '../device-service.ts';
import { shared, type Variant, variantsIn } from './variants.ts';

interface Way {
  readonly name: string;
  readonly child: ChildProcess;
  readonly client: NodeClient;
}

const folder = mkdtempSync(join(tmpdir(), 'pileus-wire-bench-'));
const wanted = process.argv[2] ?? '';
const variants = (await variantsIn(folder)).filter(({ name }) => name.includes(wanted));
const ways = await Promise.all(variants.map(open));

const body = systemRandom.bytes(4096);
const mebibyte = systemRandom.bytes(1_048_576);
const keyOf = (index: number) => ({
  table: 'objects',
  partition: 'account/container',
  sort: `object-${index % 1000}`,
  hash: 77,
});
const blobOf = (index: number) => ({
  id: (index % 16).toString(16).padStart(32, '0'),
  hash: 5,
});

type Call = (device: DeviceService, index: number) => Promise<unknown>;
const accept: Call = (device, index) =>
  device.acceptRow({
    key: keyOf(index),
    version: { timeUs: index + 1, coordinator: 1 },
    deleted: false,
    meta: Buffer.from('{"content-type":"text/plain"}'),
    bytes: 4096,
    body,
  });
const read: Call = (device, index) => device.readRow(keyOf(index), { body: true });
const put: Call = async (device, index) => {
  await device.deleteBlob(blobOf(index));
  await device.putBlob(blobOf(index), [mebibyte], {});
};
const get: Call = (device, index) => device.readBlob(blobOf(index), 0, mebibyte.length);

const rounds: readonly [string, Call, number, number][] = [
  ['acceptRow 4 KiB', accept, 1, 10_000],
  ['acceptRow 4 KiB', accept, 32, 30_000],
  ['readRow 4 KiB', read, 1, 10_000],
  ['readRow 4 KiB', read, 32, 30_000],
  ['putBlob 1 MiB', put, 4, 500],
  ['readBlob 1 MiB', get, 4, 500],
];

const local = createMemoryDevice();
console.log(
  'call               at a time  way             µs of CPU per call, both ends    calls/s',
);
for (const [name, call, atOnce, count] of rounds) {
  for (const { name: way, child, client } of ways) {
    const remote = client.device(0);
    await measure(remote, call, atOnce, count / 5, child);
    print(name, atOnce, way, await measure(remote, call, atOnce, count, child));
  }
  print(name, atOnce, 'no wire', await measure(local, call, atOnce, count));
}
for (const { client, child } of ways) {
  await client.close();
  child.kill();
}
rmSync(folder, { recursive: true });

async function open(variant: Variant): Promise<Way> {
  const child = fork(join(import.meta.dirname, 'wire-node.ts'), [JSON.stringify(variant)]);
  const address = (await told(child)) as Address;
  const client = connectNode({ ...shared(variant), address, client: 'bench', log: silentLogger });
  return { name: variant.name, child, client };
}

interface Measured {
  readonly cpuUs: number;
  readonly perSecond: number;
}

function print(call: string, atOnce: number, way: string, { cpuUs, perSecond }: Measured): void {
  const figures = [cpuUs.toFixed(1).padStart(31), perSecond.toFixed(0).padStart(10)];
  console.log(
    [call.padEnd(18), String(atOnce).padStart(9), '', way.padEnd(15), ...figures].join(' '),
  );
}

async function measure(
  device: DeviceService,
  call: Call,
  atOnce: number,
  count: number,
  child?: ChildProcess,
): Promise<Measured> {
  const before = process.cpuUsage();
  const childBefore = await cpuOf(child);
  const startMs = systemClock.monotonicMs();
  let next = 0;
  const worker = async () => {
    while (next < count) await call(device, next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const seconds = (systemClock.monotonicMs() - startMs) / 1000;
  const used = process.cpuUsage(before);
  const childUs = (await cpuOf(child)) - childBefore;
  return { cpuUs: (used.user + used.system + childUs) / count, perSecond: count / seconds };
}

async function cpuOf(child: ChildProcess | undefined): Promise<number> {
  return child === undefined ? 0 : Number(await told(child, true));
}

function told(from: ChildProcess, ask = false): Promise<unknown> {
  return new Promise((resolve) => {
    from.once('message', resolve);
    if (ask) from.send('cpu');
  });
}
