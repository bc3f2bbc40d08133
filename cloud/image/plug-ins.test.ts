/** What an operator may have done to imports: properties given to them, compressed data unpacked. */
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ImageSettings } from './settings.ts';
import { qcow2 } from './testing/samples.ts';
import { newRemains, openWorld, type Remains, removeRemains, type World } from './testing/world.ts';

const ann = 'alpha/member,reader/ann';

let remains: Remains;
let world: World | undefined;
beforeEach(async () => {
  remains = await newRemains();
});
afterEach(async () => {
  await world?.close();
  world = undefined;
  await removeRemains(remains);
});

interface Image {
  readonly id: string;
  readonly [name: string]: unknown;
}

/** Stages the bytes and imports them; what the image is afterwards. */
async function imported(
  settings: Partial<ImageSettings>,
  bytes: Buffer,
  given: { readonly who?: string; readonly container?: string } = {},
) {
  const { who = ann, container = 'bare' } = given;
  world ??= await openWorld(remains, { settings });
  const body = { disk_format: 'qcow2', container_format: container, os_distro: 'mine' };
  const made = await world.call(who, 'POST', '/v2/images', { body });
  const { id } = made.json as Image;
  await world.call(who, 'PUT', `/v2/images/${id}/stage`, { raw: bytes });
  const method = { method: { name: 'glance-direct' } };
  await world.call(who, 'POST', `/v2/images/${id}/import`, { body: method });
  await world.settled();
  const image = (await world.call(who, 'GET', `/v2/images/${id}`)).json as Image;
  const file = await world.call(who, 'GET', `/v2/images/${id}/file`);
  return { image, file: file.bytes };
}

it('gzip is unpacked when the operator says so, before anything is hashed or looked at', async () => {
  const file = qcow2();
  const first = await imported({ decompress: true }, gzipSync(file));
  expect(first.image).toMatchObject({ status: 'active', size: file.length });
  expect(first.file.equals(file)).toBe(true);
  const plain = await imported({}, file);
  expect(plain.image.os_hash_value).toBe(first.image.os_hash_value);
});

it('gzip that is cut short, or holds what is no image, is refused with a reason', async () => {
  const cut = await imported({ decompress: true }, gzipSync(qcow2()).subarray(0, -12));
  expect(cut.image).toMatchObject({
    status: 'queued',
    os_glance_failed_reason: expect.stringMatching(/gzip/),
  });
  const other = await imported({}, gzipSync(Buffer.alloc(70_000, 'no image ')));
  expect(other.image).toMatchObject({
    status: 'queued',
    os_glance_failed_reason: expect.stringMatching(/declared qcow2/),
  });
});

it('without the setting, compressed data is what it is', async () => {
  const { image } = await imported({}, gzipSync(qcow2()));
  expect(image.status).toBe('queued');
});

it('properties are injected, but not for exempt roles', async () => {
  const settings = { injectProperties: 'os_distro=house, checked=yes', injectExemptRoles: 'admin' };
  const { image } = await imported(settings, qcow2());
  expect(image).toMatchObject({ status: 'active', os_distro: 'house', checked: 'yes' });
  const admin = await imported({}, qcow2(), { who: 'alpha/admin,member,reader/root' });
  expect(admin.image).toMatchObject({ status: 'active', os_distro: 'mine' });
  expect(admin.image.checked).toBe(undefined);
});

it('a property that nobody may set stops the start', async () => {
  for (const injectProperties of ['status=active', 'os_glance_x=1', 'novalue'])
    await expect(openWorld(remains, { settings: { injectProperties } })).rejects.toMatchObject({
      code: 'bad-injection',
    });
});
