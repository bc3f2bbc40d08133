/** Bytes are kept once: two images of the same bytes share them, and a raw image is its volume. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newImage } from './testing/client.ts';
import { qcow2 } from './testing/samples.ts';
import { newRemains, openWorld, type Remains, removeRemains, type World } from './testing/world.ts';

const ann = 'alpha/member,reader/ann';
const bob = 'beta/member,reader/bob';

let remains: Remains;
let world: World;
beforeEach(async () => {
  remains = await newRemains();
  world = await openWorld(remains);
});
afterEach(async () => {
  await world.close();
  await removeRemains(remains);
});

const download = async (who: string, id: string, range?: string) => {
  const headers: Record<string, string> = range === undefined ? {} : { range };
  return (await world.call(who, 'GET', `/v2/images/${id}/file`, { headers })).bytes;
};

const gone = async (what: { readonly size: number }) => {
  for (let tries = 0; what.size > 0 && tries < 200; tries++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  return what.size;
};

it('a raw image lives in its volume, whoever holds it, until nobody does', async () => {
  const bytes = Buffer.alloc(3_000, 'raw bytes that are no whole number of sectors ');
  const first = await newImage(world, ann, {}, bytes);
  await world.settled();
  expect([remains.files.size, remains.volumes.size]).toEqual([0, 1]);
  expect((await download(ann, first)).equals(bytes)).toBe(true);
  expect((await download(ann, first, 'bytes=2990-')).equals(bytes.subarray(2_990))).toBe(true);

  const second = await newImage(world, bob, {}, bytes);
  await world.settled();
  expect([await gone(remains.files), remains.volumes.size]).toEqual([0, 1]);
  await world.call(ann, 'DELETE', `/v2/images/${first}`);
  expect((await download(bob, second)).equals(bytes)).toBe(true);
  await world.call(bob, 'DELETE', `/v2/images/${second}`);
  expect(await gone(remains.volumes)).toBe(0);
});

it('an image of another format keeps its file, and says when it can have no volume', async () => {
  const file = qcow2();
  const id = await newImage(world, ann, { disk_format: 'qcow2' }, file);
  await world.settled();
  expect(remains.files.size).toBe(1);
  expect((await download(ann, id)).equals(file)).toBe(true);
  // Twelve images at once of the same bytes are one file all the same.
  const many = Array.from({ length: 12 }, (_, at) =>
    newImage(world, `p${at}/member,reader/u`, { disk_format: 'qcow2' }, file),
  );
  await Promise.all(many);
  for (let tries = 0; remains.files.size > 1 && tries < 200; tries++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  expect(remains.files.size).toBe(1);
  expect((await download(ann, id)).equals(file)).toBe(true);
});
