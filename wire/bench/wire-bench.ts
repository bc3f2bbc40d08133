/**
 * What a call between two processes costs: `node wire/bench/wire-bench.ts`. CPU of both ends per call, a memory device
 * behind it (its own cost is measured without the wire and shown beside).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultsOf, silentLogger, systemClock, systemRandom } from '#common';
import { createMemoryDevice } from '#storage-node';
import { connectNode } from '../client/node-client.ts';
import type { DeviceService } from '../device-service.ts';
import { wireSettings } from '../settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'pileus-wire-bench-'));
const path = join(folder, 'node.sock');
const child = fork(join(import.meta.dirname, 'wire-node.ts'), [path]);
await told(child);
const client = connectNode({
  address: { path },
  tls: 'plaintext',
  cluster: 'bench',
  client: 'bench',
  settings: defaultsOf(wireSettings),
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
});

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
  ['acceptRow 4 KiB', accept, 1, 20_000],
  ['acceptRow 4 KiB', accept, 32, 60_000],
  ['readRow 4 KiB', read, 1, 20_000],
  ['readRow 4 KiB', read, 32, 60_000],
  ['putBlob 1 MiB', put, 4, 1000],
  ['readBlob 1 MiB', get, 4, 1000],
];

const local = createMemoryDevice();
console.log(
  'call               at a time   µs of CPU per call, both ends   without the wire   calls/s',
);
for (const [name, call, atOnce, count] of rounds) {
  const remote = client.device(0);
  await measure(remote, call, atOnce, count / 5);
  const over = await measure(remote, call, atOnce, count);
  const plain = await measure(local, call, atOnce, count);
  const figures = [over.cpuUs.toFixed(1), plain.cpuUs.toFixed(1), over.perSecond.toFixed(0)];
  console.log(
    [name.padEnd(18), String(atOnce).padStart(9), ...figures.map((f) => f.padStart(20))].join(' '),
  );
}
await client.close();
child.kill();
rmSync(folder, { recursive: true });

async function measure(device: DeviceService, call: Call, atOnce: number, count: number) {
  const before = process.cpuUsage();
  const childBefore = await told(child, true);
  const startMs = systemClock.monotonicMs();
  let next = 0;
  const worker = async () => {
    while (next < count) await call(device, next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const seconds = (systemClock.monotonicMs() - startMs) / 1000;
  const used = process.cpuUsage(before);
  const childUs = (await told(child, true)) - childBefore;
  return { cpuUs: (used.user + used.system + childUs) / count, perSecond: count / seconds };
}

function told(from: ChildProcess, ask = false): Promise<number> {
  return new Promise((resolve) => {
    from.once('message', (value) => resolve(Number(value)));
    if (ask) from.send('cpu');
  });
}
