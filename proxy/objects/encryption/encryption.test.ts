import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { proxySettings } from '../../settings.ts';
import type { Container } from '../container-service.ts';
import { createObjectService } from '../create-service.ts';
import { chunked, md5Of, patterned, readAll } from '../object-service.contract.ts';
import type { ObjectService } from '../object-service.ts';
import { createMemoryCluster } from '../testing/memory-cluster.ts';

const cluster = createMemoryCluster(seededRandom(3));
const secret = Buffer.alloc(32, 7);

function open(seed: number, by = secret): ObjectService {
  return createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    clock: systemClock,
    random: seededRandom(seed),
    log: silentLogger,
    secret: by,
    settings: {
      ...defaultsOf(proxySettings),
      inlineBytesMax: 100,
      blobBytesMax: 65_536,
      partBytesMin: 100,
    },
  });
}

let service: ObjectService;
let container: Container;
beforeAll(async () => {
  service = open(4);
  container = (await service.containers.create({ account: 'AUTH_e', name: 'box' })).container;
});
afterAll(() => service.close());

const sizes = [1, 15, 16, 17, 99, 1000, 200_003];

test.each(sizes)(
  '%i bytes come back, whole and in ranges, and are not what is stored',
  async (size) => {
    const bytes = patterned(size, size);
    const encryption = await service.encryption.forWrite({ kind: 'AES256' });
    const ref = { container, name: `o-${size}` };
    const { info } = await service.objects.put({
      ...ref,
      body: chunked(bytes, 1777),
      encryption,
      expectedMd5: md5Of(bytes),
    });
    expect(info.etag).toBe(md5Of(bytes));
    const found = await open(5).objects.get(ref);
    expect((await readAll(found)).equals(bytes)).toBe(true);
    for (const offset of [0, 1, 15, 16, 17, 70_001])
      if (offset < size) {
        const length = Math.min(40, size - offset);
        const range = await readAll(found, offset, length);
        expect(range.equals(bytes.subarray(offset, offset + length))).toBe(true);
      }
    if (size < 1000) return;
    for (const blob of cluster.stored.values())
      expect(blob.includes(bytes.subarray(0, 32))).toBe(false);
  },
);

test('a wrong MD5 is refused', async () => {
  const encryption = await service.encryption.forWrite({ kind: 'AES256' });
  const put = service.objects.put({
    container,
    name: 'wrong',
    body: Buffer.from('x'),
    encryption,
    expectedMd5: md5Of(Buffer.from('y')),
  });
  await expect(put).rejects.toMatchObject({ code: 'md5-mismatch' });
});

test('a client key opens what it closed, and nothing else does', async () => {
  const customerKey = createHash('sha256').update('mine').digest();
  const encryption = await service.encryption.forWrite({ kind: 'SSE-C', customerKey });
  const ref = { container, name: 'mine' };
  await service.objects.put({ ...ref, body: Buffer.from('secret'), encryption });
  const code = (choice: { customerKey?: Buffer }) =>
    service.objects.get(ref, choice).then(
      () => 'fine',
      (error: { code: string }) => error.code,
    );
  expect(await code({})).toBe('encryption-key-needed');
  expect(await code({ customerKey: Buffer.alloc(32) })).toBe('encryption-key-wrong');
  expect((await readAll(await service.objects.get(ref, { customerKey }))).toString()).toBe(
    'secret',
  );
  await service.objects.put({ container, name: 'open', body: Buffer.from('x') });
  await expect(
    service.objects.get({ container, name: 'open' }, { customerKey }),
  ).rejects.toMatchObject({ code: 'encryption-key-unwanted' });
});

test('after a rotation old objects open and new ones use the new key; another secret opens none', async () => {
  const put = async (name: string) => {
    const encryption = await service.encryption.forWrite({ kind: 'aws:kms', keyName: 'k' });
    return await service.objects.put({ container, name, body: Buffer.from(name), encryption });
  };
  const before = await put('before');
  expect(await service.keys.rotate('k')).toMatchObject({ name: 'k', version: 2 });
  const after = await put('after');
  expect(before.info.system['sse-key']).toMatch(/^1\./);
  expect(after.info.system['sse-key']).toMatch(/^2\./);
  for (const name of ['before', 'after']) {
    const read = await readAll(await open(6).objects.get({ container, name }));
    expect(read.toString()).toBe(name);
    const stranger = open(7, Buffer.alloc(32, 8));
    await expect(stranger.objects.get({ container, name })).rejects.toMatchObject({
      code: 'encryption-key-missing',
    });
  }
});

test('an upload in parts, each under a counter of its own; changed fields leave it readable', async () => {
  const encryption = await service.encryption.forWrite({ kind: 'AES256' });
  const ref = { container, name: 'parts' };
  const upload = await service.uploads.create(ref, { system: encryption.fields });
  const at = { ...ref, uploadId: upload.uploadId };
  const bodies = [patterned(70_001, 1), patterned(133, 2), patterned(5, 3)];
  const parts = [];
  for (const [index, body] of bodies.entries()) {
    const { etag } = await service.uploads.putPart({ ...at, number: index + 1, body });
    parts.push({ number: index + 1, etag });
  }
  await service.uploads.complete({ ...at, parts });
  await service.objects.update(ref, () => ({ metadata: { a: 'b' } }));
  const found = await service.objects.get(ref);
  const whole = Buffer.concat(bodies);
  expect((await readAll(found)).equals(whole)).toBe(true);
  const range = await readAll(found, 69_990, 150);
  expect(range.equals(whole.subarray(69_990, 70_140))).toBe(true);
  const copied = await service.objects.copy({ source: found, target: { container, name: 'copy' } });
  expect(copied.info.system).toEqual({});
  expect(
    (await readAll(await service.objects.get({ container, name: 'copy' }))).equals(whole),
  ).toBe(true);
});
