import { afterEach, expect, it } from 'vitest';
import { clusterSettings, codeOfId, createCluster } from '#cluster';
import {
  createMetrics,
  defaultsOf,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
} from '#common';
import { buildRing, parseRingSpec } from '#ring';
import { createMemoryDevice } from '#storage-node';
import { proxySettings } from '../settings.ts';
import { createObjectService } from './create-service.ts';
import type { Container, ObjectInfo } from './index.ts';
import { decodeObjectRow } from './rows/object-row.ts';
import { storageClassField } from './rows/storage-class.ts';
import { objectRef } from './rows/tables.ts';

const settings = {
  ...defaultsOf(proxySettings),
  ...{ inlineBytesMax: 1000, blobBytesMax: 262_144, bodyBufferBytes: 65_536, partBytesMin: 100 },
  ...{ containerCacheMs: 0, blobDeleteDelayMs: 0 },
  erasurePolicies: 'cold=2+1',
  classPolicies: 'GLACIER_IR=cold STANDARD_IA=copies',
};
const code = { k: 2, m: 1 };
const spec = {
  ...{ part_power: 4, replicas: 3, overload: 0, min_part_hours: 0, seed: 1 },
  devices: [0, 1, 2].map((id) => ({
    ...{ id, region: 1, zone: id, ip: '10.0.0.1', port: 6200 + id, device: 'd', weight: 100 },
  })),
};
const body = Buffer.alloc(600_000, 'the very same bytes ');
/** In pieces, so that it is kept in several blobs. */
async function* stream(): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += 50_000)
    yield Buffer.from(body.subarray(at, at + 50_000));
}

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(versioning?: 'enabled') {
  const devices = [0, 1, 2].map(() => createMemoryDevice());
  const shared = { clock: systemClock, random: systemRandom, log: silentLogger };
  const cluster = createCluster({
    ...shared,
    metrics: createMetrics(),
    ring: buildRing(parseRingSpec(spec)).ring,
    devices: new Map(devices.map((device, number) => [number, device])),
    salt: seededRandom(3).bytes(16),
    coordinator: 1,
    settings: defaultsOf(clusterSettings),
  });
  const service = createObjectService({ ...shared, ...cluster, settings, deviceCount: () => 3 });
  closing.push(
    () => service.close(),
    () => cluster.close(),
  );
  const system = versioning === undefined ? {} : { system: { versioning } };
  const made = await service.containers.create({ account: 'a', name: 'c', ...system });
  const { container } = made;
  const blobsOf = async (name = 'o') => {
    const row = await cluster.tables.get(objectRef(container, name));
    return row === undefined ? [] : decodeObjectRow(row).blobs;
  };
  const codes = async () => (await blobsOf()).map(({ id }) => codeOfId(id));
  const held = async () =>
    new Set((await devices[0]?.listBlobs({ limit: 1000 }))?.map(({ id }) => id.slice(0, 32)));
  return { service, container, blobsOf, codes, held };
}

const into = (name: string) => (present: ObjectInfo) => ({
  ...present,
  system: { ...present.system, [storageClassField]: name },
});

async function bytesOf(
  { objects }: Awaited<ReturnType<typeof start>>['service'],
  container: Container,
  choice?: { readonly versionId: string },
) {
  const found = await objects.get({ container, name: 'o' }, choice);
  const pieces: Buffer[] = [];
  for await (const piece of found.read(0, found.info.size)) pieces.push(piece);
  return { info: found.info, bytes: Buffer.concat(pieces) };
}

it('stores an object where its class keeps it', async () => {
  const { service, container, codes } = await start();
  const put = { container, name: 'o', length: body.length };
  const system = (name: string) => ({ system: { [storageClassField]: name } });
  await service.objects.put({ ...put, body: stream(), ...system('GLACIER_IR') });
  expect(await codes()).toEqual([code, code, code]);
  await service.objects.put({ ...put, body: stream(), ...system('STANDARD_IA') });
  expect(await codes()).toEqual([undefined, undefined, undefined]);
  await service.objects.put({ ...put, body: stream() });
  expect(await codes()).toEqual([undefined, undefined, undefined]);
});

it('moves the bytes of an object, there and back, and lets go of the old ones', async () => {
  const { service, container, blobsOf, codes, held } = await start();
  await service.objects.put({ container, name: 'o', body: stream(), length: body.length });
  const before = await bytesOf(service, container);
  for (const [to, kept] of [
    ['GLACIER_IR', code],
    ['STANDARD_IA', undefined],
  ] as const) {
    await service.objects.move({ container, name: 'o' }, into(to), { keepModified: true });
    expect(await codes()).toEqual([kept, kept, kept]);
    const after = await bytesOf(service, container);
    expect(after.bytes.equals(body)).toBe(true);
    expect(after.info).toEqual({ ...before.info, system: { [storageClassField]: to } });
    const owned = new Set((await blobsOf()).map(({ id }) => id.slice(0, 32)));
    await expect.poll(held).toEqual(owned);
  }
});

it('changes the class alone where the bytes stay', async () => {
  const { service, container, blobsOf } = await start();
  await service.objects.put({ container, name: 'o', body, length: body.length });
  const before = await blobsOf();
  await service.objects.move({ container, name: 'o' }, into('ONEZONE_IA'));
  expect(await blobsOf()).toEqual(before);
  expect((await bytesOf(service, container)).info.system[storageClassField]).toBe('ONEZONE_IA');
});

it('leaves what somebody writes meanwhile, and keeps nothing of its own', async () => {
  const { service, container, blobsOf, held } = await start();
  await service.objects.put({ container, name: 'o', body, length: body.length });
  const newer = Buffer.alloc(300_000, 'newer ');
  let isWritten = false;
  const ref = { container, name: 'o' };
  const moving = service.objects.move(ref, (present) => {
    // Decided twice: before the bytes are written anew, and as the row changes over.
    if (!isWritten) {
      isWritten = true;
      const put = service.objects.put({ ...ref, body: newer, length: newer.length });
      put.catch(() => undefined);
    }
    return into('GLACIER_IR')(present);
  });
  await moving.catch((error: unknown) => expect(error).toMatchObject({ code: 'condition-failed' }));
  await expect.poll(async () => (await bytesOf(service, container)).bytes.equals(newer)).toBe(true);
  const owned = new Set((await blobsOf()).map(({ id }) => id.slice(0, 32)));
  await expect.poll(held).toEqual(owned);
});

it('moves an older version by its id', async () => {
  const { service, container } = await start('enabled');
  const ref = { container, name: 'o' };
  const first = await service.objects.put({ ...ref, body, length: body.length });
  await service.objects.put({ ...ref, body: Buffer.from('newer'), length: 5 });
  const versionId = first.info.versionId ?? '';
  await service.objects.move(ref, into('GLACIER_IR'), { keepModified: true, versionId });
  const old = await bytesOf(service, container, { versionId });
  expect(old.bytes.equals(body)).toBe(true);
  expect(old.info.system[storageClassField]).toBe('GLACIER_IR');
  expect((await bytesOf(service, container)).bytes.toString()).toBe('newer');
});

it('moves what was put together from parts', async () => {
  const { service, container, codes } = await start();
  const ref = { container, name: 'o' };
  const { uploadId } = await service.uploads.create(ref, {});
  const parts = [];
  for (const number of [1, 2])
    parts.push(
      await service.uploads.putPart({ ...ref, uploadId, number, body, length: body.length }),
    );
  await service.uploads.complete({
    ...ref,
    uploadId,
    parts: parts.map(({ number, etag }) => ({ number, etag })),
  });
  await service.objects.move(ref, into('GLACIER_IR'), { keepModified: true });
  expect(new Set((await codes()).map((one) => one?.k))).toEqual(new Set([2]));
  const { bytes, info } = await bytesOf(service, container);
  expect(bytes.equals(Buffer.concat([body, body]))).toBe(true);
  expect(info.kind).toBe('multipart');
});
