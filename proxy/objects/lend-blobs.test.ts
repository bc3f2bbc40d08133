/** Bytes by reference: no blob goes while an object refers to it, none stays when none does, and a crash at any point only leaves one too many. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { proxySettings } from '../settings.ts';
import { BlobShares } from './blob-shares.ts';
import type { Container } from './container-service.ts';
import { createObjectService } from './create-service.ts';
import { patterned, readAll } from './object-service.contract.ts';
import type { ObjectService } from './object-service.ts';
import { createMemoryCluster, type MemoryCluster } from './testing/memory-cluster.ts';

const settings = {
  ...defaultsOf(proxySettings),
  inlineBytesMax: 1_000,
  blobBytesMax: 65_536,
  bodyBufferBytes: 65_536,
  containerCacheMs: 0,
  blobDeleteDelayMs: 0,
};

let cluster: MemoryCluster;
let service: ObjectService;
let owned: Container;
let versioned: Container;
let borrowed: Container;

beforeEach(async () => {
  cluster = createMemoryCluster(seededRandom(1));
  service = createObjectService({
    ...{ tables: cluster.tables, blobs: cluster.blobs, settings },
    ...{ clock: systemClock, random: seededRandom(2), log: silentLogger, soleCoordinator: true },
  });
  const make = async (name: string, system = {}) =>
    (await service.containers.create({ account: 'AUTH_a', name, system })).container;
  owned = await make('owned');
  borrowed = await make('borrowed');
  versioned = await make('versioned', { versioning: 'enabled' });
});
afterEach(() => service.close());

const settled = async () => {
  for (let before = -1; before !== cluster.stored.size; await systemClock.sleep(10))
    before = cluster.stored.size;
  return cluster.stored.size;
};
const read = async (container: Container, name: string) =>
  await readAll(await service.objects.get({ container, name }));
const drop = (container: Container, name: string) => service.objects.delete({ container, name });

test('whoever goes last takes the bytes along', async () => {
  const body = patterned(200_000, 3);
  for (const order of [
    ['owner', 'one', 'two'],
    ['one', 'owner', 'two'],
    ['two', 'one', 'owner'],
  ]) {
    const source = { container: owned, name: 'owner' };
    await service.objects.put({ ...source, body });
    const stored = cluster.stored.size;
    for (const name of ['one', 'two'])
      await service.objects.lend({ sources: [source], target: { container: borrowed, name } });
    expect(cluster.stored.size).toBe(stored);
    for (const [at, gone] of order.entries()) {
      await drop(gone === 'owner' ? owned : borrowed, gone);
      expect(await settled()).toBe(at === 2 ? 0 : stored);
      for (const left of order.slice(at + 1))
        expect(
          (await read(left === 'owner' ? owned : borrowed, left)).equals(body),
          `${left} after ${gone}`,
        ).toBe(true);
    }
  }
  expect(
    [...cluster.rows].filter(([key, rows]) => key.startsWith('blob-share') && rows.size > 0),
  ).toEqual([]);
});

test('several objects become one; what lies in rows, or is no bytes of its own, does not', async () => {
  const bodies = [patterned(70_000, 1), patterned(2_000, 2)];
  const sources = bodies.map((_, at) => ({ container: owned, name: `s${at}` }));
  for (const [at, source] of sources.entries())
    await service.objects.put({ ...source, body: bodies[at] ?? Buffer.alloc(0) });
  const target = { container: borrowed, name: 'whole' };
  const info = await service.objects.lend({ sources, target });
  expect(info?.size).toBe(72_000);
  for (const { name } of sources) await drop(owned, name);
  await settled();
  expect((await read(borrowed, 'whole')).equals(Buffer.concat(bodies))).toBe(true);

  const small = { container: owned, name: 'small' };
  await service.objects.put({ ...small, body: patterned(10) });
  expect(
    await service.objects.lend({ sources: [small], target: { container: borrowed, name: 'x' } }),
  ).toBe(undefined);
  const none = { container: owned, name: 'none' };
  await expect(
    service.objects.lend({ sources: [none], target: { container: borrowed, name: 'x' } }),
  ).rejects.toMatchObject({ code: 'object-missing' });
});

test('encrypted bytes stay readable, and a copy of a borrower is nobody’s but its own', async () => {
  const body = patterned(100_000, 9);
  const source = { container: owned, name: 'secret' };
  const encryption = await service.encryption.forWrite({ kind: 'AES256' });
  await service.objects.put({ ...source, body, encryption });
  await service.objects.lend({ sources: [source], target: { container: borrowed, name: 'b' } });
  await drop(owned, 'secret');
  await settled();
  expect((await read(borrowed, 'b')).equals(body)).toBe(true);
  const stored = await service.objects.get({ container: borrowed, name: 'b' });
  await service.objects.copy({ source: stored, target: { container: owned, name: 'copy' } });
  await drop(borrowed, 'b');
  await settled();
  expect((await read(owned, 'copy')).equals(body)).toBe(true);
  await drop(owned, 'copy');
  expect(await settled()).toBe(0);
});

test('a version that is replaced, and an older one that is deleted for good, leave the borrower its bytes', async () => {
  const body = patterned(100_000, 5);
  const source = { container: versioned, name: 'v' };
  const { info } = await service.objects.put({ ...source, body });
  await service.objects.lend({ sources: [source], target: { container: borrowed, name: 'b' } });
  await service.objects.put({ ...source, body: patterned(50_000, 6) });
  await drop(borrowed, 'b');
  await settled();
  const versionId = info.versionId ?? '';
  expect((await readAll(await service.objects.get(source, { versionId }))).equals(body)).toBe(true);
  await service.objects.delete(source, { versionId });
  expect(await settled()).toBe(1);
});

test('stopped at any operation, nothing that is there loses its bytes', async () => {
  const body = patterned(150_000, 7);
  for (let stopAt = 0, stopped = true; stopped; stopAt++) {
    const source = { container: owned, name: `owner-${stopAt}` };
    const target = { container: borrowed, name: `b-${stopAt}` };
    await service.objects.put({ ...source, body });
    await settled();
    let at = 0;
    let dead = false;
    // From then on nothing works, clearing up included: the process is gone.
    cluster.fault = () => {
      dead ||= at++ === stopAt;
      if (dead) throw new Error('died');
    };
    const done = await service.objects.lend({ sources: [source], target }).catch(() => undefined);
    cluster.fault = () => undefined;
    stopped = done === undefined;
    // What the next process does with a content that never was whole.
    if (stopped) await drop(borrowed, target.name);
    await settled();
    expect((await read(owned, source.name)).equals(body), `stopped at ${stopAt}`).toBe(true);
    await drop(owned, source.name);
    await settled();
    if (!stopped) expect((await read(borrowed, target.name)).equals(body)).toBe(true);
  }
});

test('an owner that goes while it lends wins: the borrower is not there, or whole', async () => {
  const body = patterned(150_000, 8);
  for (let seed = 0; seed < 200; seed++) {
    const source = { container: owned, name: `o${seed}` };
    const target = { container: borrowed, name: `b${seed}` };
    await service.objects.put({ ...source, body });
    const random = seededRandom(seed);
    const later = async () => {
      for (let ticks = random.bytes(1)[0] ?? 0; ticks > 200; ticks--) await Promise.resolve();
      await drop(owned, source.name);
    };
    const lent = service.objects.lend({ sources: [source], target }).catch(() => undefined);
    const [info] = await Promise.all([lent, later()]);
    if (seed % 20 === 0) await settled();
    if (info !== undefined) expect((await read(borrowed, target.name)).equals(body)).toBe(true);
    await drop(borrowed, target.name);
  }
  expect(await settled()).toBe(0);
});

test('the golden note of a shared blob is written and read as ever', async () => {
  const golden = fs.readFileSync(join(import.meta.dirname, 'rows/golden/blob-share-v1.bin'));
  const id = '00112233445566778899aabbccddeeff';
  const ref = { table: 'blob-share', partition: id, sort: '' };
  const borrower = (sort: string) => ({ table: 'object', partition: 'c0ffee/0', sort });
  const blob = { id, length: 1 };
  const shares = new BlobShares(cluster.tables);
  for (const sort of ['one', 'zwei "2"']) await shares.note([blob], borrower(sort));
  expect(await shares.giveUp(id, undefined)).toBe(false);
  expect((await cluster.tables.get(ref))?.meta.equals(golden)).toBe(true);

  await cluster.tables.put(ref, { meta: golden, bytes: 0, body: Buffer.alloc(0) });
  expect(await shares.giveUp(id, borrower('one'))).toBe(false);
  expect(await shares.giveUp(id, borrower('zwei "2"'))).toBe(true);
  expect(await cluster.tables.get(ref)).toBeUndefined();
});
