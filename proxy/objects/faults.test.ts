/** What the object service leaves behind when storage fails under it. */
import { Buffer } from 'node:buffer';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  defaultsOf,
  Failure,
  seededRandom,
  silentLogger,
  systemClock,
  VirtualClock,
} from '#common';
import { proxySettings } from '../settings.ts';
import { BlobGarbage } from './blob-garbage.ts';
import type { Container } from './container-service.ts';
import { createObjectService } from './create-service.ts';
import { patterned } from './object-service.contract.ts';
import type { ObjectService } from './object-service.ts';
import { createMemoryCluster, type MemoryCluster } from './testing/memory-cluster.ts';

const settings = {
  ...defaultsOf(proxySettings),
  blobBytesMax: 65_536,
  bodyBufferBytes: 65_536,
  blobDeleteDelayMs: 0,
};

let cluster: MemoryCluster;
let service: ObjectService;
let container: Container;

beforeEach(async () => {
  cluster = createMemoryCluster(seededRandom(1));
  service = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    clock: systemClock,
    random: seededRandom(2),
    log: silentLogger,
    settings,
  });
  ({ container } = await service.containers.create({ account: 'AUTH_f', name: 'f' }));
});

const noQuorum = () => new Failure('unreachable', 'no-quorum', 'Too few answered');

/** Fails the nth call of an operation. */
function failAt(operation: string, nth: number, failure = noQuorum()): void {
  let seen = 0;
  cluster.fault = (now) => {
    if (now !== operation) return;
    seen += 1;
    if (seen === nth) throw failure;
  };
}

async function putLarge(): Promise<unknown> {
  return await service.objects.put({ container, name: 'o', body: pieces() });
}

async function* pieces(): AsyncIterable<Buffer> {
  const bytes = patterned(300_000);
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
}

describe('a put', () => {
  for (const [operation, nth] of [
    ['open-blob', 1],
    ['open-blob', 3],
    ['append', 1],
    ['append', 4],
    ['commit', 1],
    ['commit', 3],
    ['commit', 5],
  ] as const) {
    test(`that fails at ${operation} ${nth} is not there and leaves no blobs`, async () => {
      failAt(operation, nth);
      await expect(putLarge()).rejects.toMatchObject({ code: 'no-quorum' });
      cluster.fault = () => undefined;
      await expect(service.objects.head({ container, name: 'o' })).rejects.toMatchObject({
        code: 'object-missing',
      });
      await expect.poll(() => cluster.stored.size).toBe(0);
    });
  }

  test('whose row may or may not have been written keeps its blobs', async () => {
    failAt('put', 1);
    await expect(putLarge()).rejects.toMatchObject({ code: 'no-quorum' });
    await systemClock.sleep(50);
    expect(cluster.stored.size).toBe(5);
  });

  for (const [where, containerCacheMs] of [
    ['here', 60_000],
    ['by another proxy', 0],
  ] as const) {
    test(`into a container that was deleted meanwhile ${where} fails and leaves no blobs`, async () => {
      const make = () =>
        createObjectService({
          tables: cluster.tables,
          blobs: cluster.blobs,
          clock: systemClock,
          random: seededRandom(3),
          log: silentLogger,
          settings: { ...settings, containerCacheMs },
        });
      const writing = make();
      const deleting = where === 'here' ? writing : make();
      async function* slow() {
        yield* pieces();
        await deleting.containers.delete('AUTH_f', 'f');
        await deleting.containers.create({ account: 'AUTH_f', name: 'f' });
      }
      const held = await writing.containers.open('AUTH_f', 'f');
      const put = writing.objects.put({ container: held, name: 'o', body: slow() });
      await expect(put).rejects.toMatchObject({ code: 'container-missing' });
      await expect.poll(() => cluster.stored.size).toBe(0);
    });
  }
});

describe('a read', () => {
  test('that meets a missing blob fails, and does not end early', async () => {
    await putLarge();
    const stored = await service.objects.get({ container, name: 'o' });
    const [, second] = [...cluster.stored.keys()];
    if (second !== undefined) await cluster.blobs.delete(second);
    const read = async () => {
      for await (const _ of stored.read(0, 300_000));
    };
    await expect(read()).rejects.toMatchObject({ code: 'blob-missing' });
  });
});

describe('blobs to delete', () => {
  const clock = new VirtualClock();
  const garbageOf = (changes: Partial<typeof settings> = {}) =>
    new BlobGarbage({
      tables: cluster.tables,
      blobs: cluster.blobs,
      clock,
      log: silentLogger,
      settings: { ...settings, blobDeleteDelayMs: 1_000, ...changes },
    });
  const store = async () => [await cluster.blobs.put([Buffer.from('x')])];

  test('stay for the delay, and while they are read', async () => {
    const garbage = garbageOf();
    const blobs = await store();
    garbage.add(undefined, blobs);
    await clock.advance(999);
    expect(cluster.stored.size).toBe(1);
    const release = garbage.hold(blobs);
    await clock.advance(5_000);
    expect(cluster.stored.size).toBe(1);
    release();
    await clock.advance(5_000);
    expect(cluster.stored.size).toBe(0);
  });

  test('go after a moment where no other process could use them, and not before their put has ended', async () => {
    const garbage = new BlobGarbage({
      tables: cluster.tables,
      blobs: cluster.blobs,
      clock,
      log: silentLogger,
      settings: { ...settings, blobDeleteDelayMs: 60_000 },
      soleCoordinator: true,
    });
    const [own, writing, shared] = [await store(), await store(), await store()];
    const release = garbage.hold(writing);
    garbage.add(undefined, own, { own: true });
    garbage.add(undefined, writing, { own: true });
    garbage.add(undefined, shared);
    await clock.advance(1_000);
    expect(cluster.stored.size).toBe(3);
    await clock.advance(10_000);
    expect([...cluster.stored.keys()]).toEqual([...writing, ...shared].map(({ id }) => id));
    release();
    await clock.advance(3_000);
    expect([...cluster.stored.keys()]).toEqual(shared.map(({ id }) => id));
    await clock.advance(60_000);
    expect(cluster.stored.size).toBe(0);
  });

  test('stay when the row refers to them', async () => {
    const garbage = garbageOf();
    await putLarge();
    const [sort] = [...(cluster.rows.get(`object/${container.id}/0`)?.keys() ?? [])];
    const ref = { table: 'object', partition: `${container.id}/0`, sort: sort ?? '' };
    const live = [...cluster.stored.keys()].map((id) => ({ id, length: 1 }));
    garbage.add(ref, live);
    await clock.advance(10_000);
    expect(cluster.stored.size).toBe(live.length);
  });

  test('beyond the bound, and those whose deletion fails, are left to reclaim', async () => {
    const garbage = garbageOf({ blobDeletesMax: 1 });
    const blobs = await store();
    garbage.add(undefined, blobs);
    garbage.add(undefined, await store());
    expect(garbage.overflowed).toBe(1);
    failAt('delete-blob', 1);
    await clock.advance(5_000);
    expect(cluster.stored.size).toBe(2);
    expect(garbage.length).toBe(0);
    await garbage.close();
  });
});
