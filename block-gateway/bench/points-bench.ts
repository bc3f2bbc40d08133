/**
 * What snapshots, clones, branches, reverts and opening cost at sizes that no bench wants to write: the checkpoint of a volume of 1 TiB with so much
 * written is made up and stored on real devices, three replicas of it, and everything is done to that.
 * `node block-gateway/bench/points-bench.ts FOLDER [CLONES]`; prints milliseconds and the bytes of data and of metadata that went to the store.
 */
import { mkdir, rm } from 'node:fs/promises';
import { argv, stdout } from 'node:process';
import { type Blobs, clusterSettings, createCluster, fixedPlacement } from '#cluster';
import {
  createLogger,
  createMetrics,
  defaultsOf,
  joinPath,
  seededRandom,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import { openDevice, storageNodeSettings } from '#storage-node';
import { blockGatewaySettings } from '../settings.ts';
import { checkpointBlobId, segmentBlobId } from '../volume/blob-names.ts';
import { encodeCheckpoint } from '../volume/checkpoint-format.ts';
import { ExtentMap } from '../volume/extent-map.ts';
import { changeHead } from '../volume/head-row.ts';
import { createVolumes, type VolumesOfGateway } from '../volumes/volumes.ts';

const [, , folder = 'points-bench-data', clonesText = '1000'] = argv;
const tib = 2 ** 40;
const segmentBytes = 8 * 2 ** 20;

const shared = {
  disk: systemDisk,
  clock: systemClock,
  random: systemRandom,
  log: createLogger({ level: 'warn' }),
};
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const devices = new Map();
for (let number = 0; number < 4; number++) {
  devices.set(
    number,
    await openDevice({
      ...shared,
      folder: joinPath(folder, `device-${number}`),
      settings: defaultsOf(storageNodeSettings),
      metrics: createMetrics(),
    }),
  );
}
const cluster = createCluster({
  ...shared,
  ring: fixedPlacement([0, 1, 2], [3]),
  devices,
  salt: Buffer.alloc(16, 7),
  coordinator: 7,
  settings: defaultsOf(clusterSettings),
  metrics: createMetrics(),
});
let stored = 0;
const blobs: Blobs = {
  ...cluster.blobs,
  put: (chunks, options) => {
    stored += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    return cluster.blobs.put(chunks, options);
  },
  open: (options) => cluster.blobs.open(options),
  read: (id, offset, length) => cluster.blobs.read(id, offset, length),
  stream: (id, offset, length) => cluster.blobs.stream(id, offset, length),
  stat: (id) => cluster.blobs.stat(id),
  delete: (id) => cluster.blobs.delete(id),
  raiseFence: (fence) => cluster.blobs.raiseFence(fence),
};
const volumes = await createVolumes({
  ...shared,
  tables: cluster.tables,
  blobs,
  folder: joinPath(folder, 'log'),
  settings: defaultsOf(blockGatewaySettings),
  metrics: createMetrics(),
  gateway: 'bench',
});

/** A volume as if so much had been written to it, in pieces of so many sectors all over it. */
async function pretend(name: string, writtenBytes: number, pieceSectors: number) {
  const { id } = await volumes.create({ name, project: 'p', sizeBytes: tib, retentionS: 3600 });
  const random = seededRandom(1);
  const map = new ExtentMap(() => {});
  const segments = [];
  const perSegment = segmentBytes / 512 / pieceSectors;
  for (let slot = 0; slot < writtenBytes / segmentBytes; slot++) {
    const number = slot + 1;
    const blobId = segmentBlobId(id, number, 1);
    segments.push({
      slot,
      number,
      epoch: 1,
      blobId,
      headerBytes: 4096,
      dataBytes: segmentBytes,
      death: 0,
    });
    for (let at = 0; at < perSegment; at++) {
      const piece = random.below(tib / 512 / pieceSectors);
      map.put(piece * pieceSectors, pieceSectors, slot, at * pieceSectors);
    }
  }
  const identity = { volumeId: id, epoch: 1, serial: 1 };
  let parts = 0;
  let bytes = 0;
  for (const chunks of encodeCheckpoint(identity, { segments, map: map.snapshot() })) {
    await blobs.put(chunks, { id: checkpointBlobId(id, identity, parts++) });
    bytes += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  const checkpoint = { epoch: 1, serial: 1, parts, bytes, next: segments.length + 1 };
  await changeHead(cluster.tables, id, (head) => ({ ...head, epoch: 1, checkpoint }));
  say(`${name}: ${map.extents} extents, checkpoint of ${(bytes / 2 ** 20).toFixed(1)} MiB`);
  return id;
}

function say(line: string): void {
  stdout.write(`${line}\n`);
}

async function timed<T>(what: string, work: () => Promise<T>, times = 1): Promise<T> {
  const before = stored;
  const begun = performance.now();
  const result = await work();
  const ms = (performance.now() - begun) / times;
  say(`  ${what.padEnd(44)} ${ms.toFixed(1).padStart(8)} ms  ${stored - before} bytes stored`);
  return result;
}

async function measure(service: VolumesOfGateway, id: string): Promise<void> {
  await timed('snapshot, at rest', () => service.snapshot(id, { id: 'rest' }));
  const { volume, release } = await timed('open', () => service.open(id));
  await timed('snapshot, open and idle', () => service.snapshot(id, { id: 'idle' }));
  const block = Buffer.alloc(4096, 1);
  for (let at = 0; at < 32; at++) await volume.write(at * 4096, block, 0, 4096);
  await timed('snapshot, 128 KiB unwritten to the store', () =>
    service.snapshot(id, { id: 'busy' }),
  );
  const atMs = Math.floor(systemClock.nowUs() / 1000);
  const from = { volume: id };
  const project = 'p';
  await timed('clone of the volume', () => service.create({ name: 'c', project, from }));
  const snapshot = { ...from, snapshot: 'idle' };
  const clone = await timed('clone of a snapshot', () =>
    service.create({ name: 'c', project, from: snapshot }),
  );
  await timed('branch at an instant', () =>
    service.create({ name: 'b', project, from: { ...from, atMs } }),
  );
  await timed('extend, open', () => service.extend(id, tib + 2 ** 30));
  release();
  await timed('open the clone', async () => (await service.open(clone.id)).release());
  await timed('revert to the snapshot (closing included)', () =>
    service.revert(id, { snapshot: 'idle' }),
  );
}

const gib = 2 ** 30;
await measure(volumes, await pretend('10 GiB in random 4 KiB', 10 * gib, 8));
await measure(volumes, await pretend('100 GiB in 64 KiB', 100 * gib, 128));
const image = await pretend('image', 2 * gib, 2048);
await volumes.change(image, { sealed: true });
const clones = Number(clonesText);
await timed(
  `volume from image, each of ${clones}`,
  async () => {
    for (let at = 0; at < clones; at++)
      await volumes.create({ name: `vm-${at}`, project: 'p', from: { volume: image } });
  },
  clones,
);
await volumes.close();
await cluster.close();
for (const device of devices.values()) await device.close();
await rm(folder, { recursive: true, force: true });
