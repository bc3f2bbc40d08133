/** What every object service promises, whatever it stands on. */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Failure } from '#common';
import type { Container } from './container-service.ts';
import type { ObjectService, StoredObject } from './object-service.ts';

export function md5Of(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

export async function* chunked(bytes: Buffer, step: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

export async function readAll(stored: StoredObject, offset = 0, length?: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stored.read(offset, length ?? stored.info.size - offset))
    chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export function patterned(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as Failure).code ?? String(error);
  }
  return 'fine';
}

export interface ContractSubject {
  readonly service: ObjectService;
  /** How many blobs are stored; after the garbage was emptied. */
  settledBlobs(): Promise<number>;
  close(): Promise<void>;
}

/** The subject's settings: inline up to 1,000 bytes, blobs of 65,536, parts from 100 bytes, no cache. */
export function objectServiceContract(name: string, open: () => Promise<ContractSubject>): void {
  describe(`object service: ${name}`, () => {
    let subject: ContractSubject;
    let service: ObjectService;
    let count = 0;

    beforeAll(async () => {
      subject = await open();
      service = subject.service;
    });
    afterAll(() => subject.close());

    const fresh = async (account = 'AUTH_one'): Promise<Container> => {
      count += 1;
      return (await service.containers.create({ account, name: `box-${count}` })).container;
    };

    test('a container is made once, found, changed and deleted', async () => {
      const first = await service.containers.create({
        account: 'AUTH_c',
        name: 'made',
        metadata: { colour: 'red' },
      });
      expect(first.created).toBe(true);
      const again = await service.containers.create({ account: 'AUTH_c', name: 'made' });
      expect(again).toEqual({ container: first.container, created: false });
      expect(
        await codeOf(
          service.containers.create({ account: 'AUTH_c', name: 'made', exclusive: true }),
        ),
      ).toBe('container-exists');
      await service.containers.update('AUTH_c', 'made', (present) => ({
        metadata: { ...present.metadata, size: 'L' },
        system: { 'read-acl': '.r:*' },
      }));
      const opened = await service.containers.open('AUTH_c', 'made');
      expect(opened.metadata).toEqual({ colour: 'red', size: 'L' });
      expect(opened.system).toEqual({ 'read-acl': '.r:*' });
      await service.containers.delete('AUTH_c', 'made');
      expect(await codeOf(service.containers.open('AUTH_c', 'made'))).toBe('container-missing');
      expect(await codeOf(service.containers.delete('AUTH_c', 'made'))).toBe('container-missing');
    });

    test('a global name belongs to who had it first, and is free again after deletion', async () => {
      const names = { name: 'shared-name' };
      await service.containers.create({ account: 'AUTH_n1', ...names });
      const taken = service.containers.create({ account: 'AUTH_n2', ...names, globalName: true });
      expect(await codeOf(taken)).toBe('container-name-taken');
      await service.containers.create({ account: 'AUTH_n2', ...names });
      expect((await service.containers.resolve('shared-name', 'AUTH_n2')).account).toBe('AUTH_n2');
      expect((await service.containers.resolve('shared-name', 'AUTH_n3')).account).toBe('AUTH_n1');
      expect((await service.containers.resolve('shared-name', undefined)).account).toBe('AUTH_n1');
      await service.containers.delete('AUTH_n1', 'shared-name');
      expect(await codeOf(service.containers.resolve('shared-name', 'AUTH_n3'))).toBe(
        'container-missing',
      );
      const now = await service.containers.create({
        account: 'AUTH_n3',
        ...names,
        globalName: true,
      });
      expect(now.created).toBe(true);
    });

    for (const size of [0, 1, 1000, 1001, 65_536, 65_537, 300_000]) {
      test(`a body of ${size} bytes comes back whole and in ranges`, async () => {
        const container = await fresh();
        const bytes = patterned(size);
        for (const length of [size, undefined]) {
          const { info } = await service.objects.put({
            container,
            name: 'o',
            body: chunked(bytes, 7_777),
            ...(length === undefined ? {} : { length }),
            contentType: 'text/x-test',
            metadata: { a: 'é' },
            headers: { 'content-encoding': 'x' },
          });
          expect(info.etag).toBe(md5Of(bytes));
          const stored = await service.objects.get({ container, name: 'o' });
          expect(stored.info).toEqual(info);
          expect(stored.info.metadata).toEqual({ a: 'é' });
          expect((await readAll(stored)).equals(bytes)).toBe(true);
          const from = Math.floor(size / 3);
          const part = await readAll(stored, from, size - from);
          expect(part.equals(bytes.subarray(from))).toBe(true);
        }
        expect(await service.objects.head({ container, name: 'o' })).toMatchObject({ size });
        expect(await service.containers.usage(container)).toEqual({ objects: 1, bytes: size });
      });
    }

    test('nothing of a refused body becomes visible, and its blobs go', async () => {
      const before = await subject.settledBlobs();
      const container = await fresh();
      const bytes = patterned(200_000);
      const put = (more: object, body: AsyncIterable<Buffer> = chunked(bytes, 10_000)) =>
        codeOf(service.objects.put({ container, name: 'o', body, ...more }));
      expect(await put({ length: 200_001 })).toBe('body-too-short');
      expect(await put({ length: 199_999 })).toBe('body-too-long');
      expect(await put({ expectedMd5: md5Of(Buffer.from('x')) })).toBe('md5-mismatch');
      const refuse = () => {
        throw Object.assign(new Error('trailer'), { code: 'checksum' });
      };
      expect(await put({ onBodyEnd: refuse })).toBe('checksum');
      async function* broken() {
        yield bytes;
        throw Object.assign(new Error('gone'), { code: 'gone' });
      }
      expect(await put({}, broken())).toBe('gone');
      expect(await codeOf(service.objects.get({ container, name: 'o' }))).toBe('object-missing');
      expect(await service.containers.usage(container)).toEqual({ objects: 0, bytes: 0 });
      expect(await subject.settledBlobs()).toBe(before);
    });

    test('the blobs of what was replaced and deleted go, those of what is there stay', async () => {
      const before = await subject.settledBlobs();
      const container = await fresh();
      const put = (seed: number) =>
        service.objects.put({ container, name: 'o', body: patterned(70_000, seed) });
      expect((await put(1)).replaced).toBe(false);
      expect((await put(2)).replaced).toBe(true);
      await service.objects.update({ container, name: 'o' }, () => ({ metadata: { k: 'v' } }));
      expect(await subject.settledBlobs()).toBe(before + 2);
      const stored = await service.objects.get({ container, name: 'o' });
      expect((await readAll(stored)).equals(patterned(70_000, 2))).toBe(true);
      expect(stored.info.metadata).toEqual({ k: 'v' });
      expect(await service.objects.delete({ container, name: 'o' })).toEqual({ existed: true });
      expect(await service.objects.delete({ container, name: 'o' })).toEqual({ existed: false });
      expect(await subject.settledBlobs()).toBe(before);
    });

    test('conditions decide', async () => {
      const container = await fresh();
      const ref = { container, name: 'o' };
      const put = (conditions: object) =>
        codeOf(service.objects.put({ ...ref, body: Buffer.from('a'), conditions }));
      expect(await put({ ifMatch: ['*'] })).toBe('object-missing');
      expect(await put({ ifNoneMatch: ['*'] })).toBe('fine');
      expect(await put({ ifNoneMatch: ['*'] })).toBe('condition-failed');
      expect(await put({ ifMatch: [md5Of(Buffer.from('a'))] })).toBe('fine');
      expect(await put({ ifMatch: [md5Of(Buffer.from('b'))] })).toBe('condition-failed');
      const remove = (ifMatch: string) =>
        codeOf(service.objects.delete(ref, { conditions: { ifMatch: [ifMatch] } }));
      expect(await remove(md5Of(Buffer.from('b')))).toBe('condition-failed');
      expect(await remove(md5Of(Buffer.from('a')))).toBe('fine');
    });

    test('of fifty who create if absent one wins', async () => {
      const container = await fresh();
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          codeOf(
            service.objects.put({
              container,
              name: 'lock',
              body: Buffer.from(`${n}`),
              conditions: { ifNoneMatch: ['*'] },
            }),
          ),
        ),
      );
      expect(outcomes.filter((outcome) => outcome === 'fine')).toHaveLength(1);
      expect(new Set(outcomes).size).toBe(2);
    });

    test('an expired object is gone', async () => {
      const container = await fresh();
      await service.objects.put({ container, name: 'o', body: Buffer.from('a'), deleteAtS: 1 });
      expect(await codeOf(service.objects.head({ container, name: 'o' }))).toBe('object-missing');
    });

    test('a copy keeps or replaces what is known of its source', async () => {
      const container = await fresh();
      const bytes = patterned(150_000);
      await service.objects.put({
        container,
        name: 'from',
        body: bytes,
        contentType: 'a/b',
        metadata: { k: 'v' },
      });
      const source = await service.objects.get({ container, name: 'from' });
      await service.objects.copy({ source, target: { container, name: 'kept' } });
      await service.objects.copy({
        source,
        target: { container, name: 'changed' },
        fields: { metadata: { other: 'x' } },
      });
      await service.objects.delete({ container, name: 'from' });
      await subject.settledBlobs();
      const kept = await service.objects.get({ container, name: 'kept' });
      expect(kept.info).toMatchObject({ contentType: 'a/b', metadata: { k: 'v' } });
      expect((await readAll(kept)).equals(bytes)).toBe(true);
      const changed = await service.objects.head({ container, name: 'changed' });
      expect(changed).toMatchObject({ contentType: 'a/b', metadata: { other: 'x' } });
    });

    test('listings page, collapse, turn round and stay in byte order', async () => {
      const container = await fresh();
      const names = ['a', 'b/1', 'b/2', 'b/3', 'c', 'd/x', '\u{ff5e}', '\u{1f600}'];
      for (const name of names)
        await service.objects.put({ container, name, body: Buffer.from(name) });
      const list = async (request: object) => {
        const page = await service.containers.list(container, { limit: 100, ...request });
        return page.entries.map((entry) => entry.name ?? `${entry.prefix}*`);
      };
      expect(await list({})).toEqual(names);
      expect(await list({ reverse: true })).toEqual([...names].reverse());
      expect(await list({ delimiter: '/', limit: 2 })).toEqual(['a', 'b/*']);
      expect(await list({ delimiter: '/', marker: 'b/', limit: 2 })).toEqual(['c', 'd/*']);
      expect(await list({ delimiter: '/', prefix: 'b/' })).toEqual(['b/1', 'b/2', 'b/3']);
      expect(await list({ marker: 'b/2', endMarker: 'd/x' })).toEqual(['b/3', 'c']);
      const page = await service.containers.list(container, { limit: 1 });
      expect(page.more).toBe(true);
      expect(page.entries[0]).toMatchObject({ name: 'a', size: 1, etag: md5Of(Buffer.from('a')) });
    });

    test('a container with an object is not deleted; one being written into neither', async () => {
      const container = await fresh('AUTH_d');
      let release: (() => void) | undefined;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      async function* slow() {
        await gate;
        yield Buffer.from('late');
      }
      const put = codeOf(service.objects.put({ container, name: 'o', body: slow() }));
      const removed = codeOf(service.containers.delete('AUTH_d', container.name));
      release?.();
      const outcomes = [await put, await removed].join(' ');
      expect(['fine container-not-empty', 'container-missing fine']).toContain(outcomes);
      const other = await fresh('AUTH_d');
      await service.objects.put({ container: other, name: 'o', body: Buffer.from('x') });
      const refused = service.containers.delete('AUTH_d', other.name);
      expect(await codeOf(refused)).toBe('container-not-empty');
      await service.objects.put({ container: other, name: 'p', body: Buffer.from('x') });
    });

    test('accounts count all that is in them', async () => {
      for (const name of ['one', 'two']) {
        const { container } = await service.containers.create({ account: 'AUTH_a', name });
        await service.objects.put({ container, name: 'o', body: Buffer.from('12345') });
      }
      expect(await service.accounts.usage('AUTH_a')).toEqual({
        containers: 2,
        objects: 2,
        bytes: 10,
        policies: new Map([['default', { containers: 2, objects: 2, bytes: 10 }]]),
      });
      const page = await service.accounts.listContainers('AUTH_a', { limit: 1, usage: true });
      expect(page.more).toBe(true);
      expect(page.entries[0]).toMatchObject({ name: 'one', objects: 1, bytes: 5 });
      await service.accounts.update('AUTH_a', () => ({ metadata: { m: '1' } }));
      expect((await service.accounts.get('AUTH_a')).metadata).toEqual({ m: '1' });
      expect((await service.accounts.get('AUTH_none')).createdUs).toBeUndefined();
    });

    test('an upload becomes an object by reference', async () => {
      const before = await subject.settledBlobs();
      const container = await fresh();
      const ref = { container, name: 'big' };
      const upload = await service.uploads.create(ref, {
        contentType: 'x/y',
        metadata: { k: 'v' },
      });
      const at = { ...ref, uploadId: upload.uploadId };
      const bodies = [patterned(70_000, 1), patterned(500, 2), patterned(3, 3)];
      const parts: { number: number; etag: string }[] = [];
      for (const [index, body] of bodies.entries()) {
        const number = index * 2 + 1;
        const part = await service.uploads.putPart({ ...at, number, body: chunked(body, 999) });
        parts.push({ number, etag: part.etag });
      }
      await service.uploads.putPart({ ...at, number: 9, body: patterned(100) });
      const listed = await service.uploads.listParts(at, { limit: 2, marker: 1 });
      expect(listed.entries.map((part) => part.number)).toEqual([3, 5]);
      expect(listed.more).toBe(true);
      const uploads = await service.uploads.list(container, { limit: 10 });
      expect(uploads.entries).toMatchObject([{ name: 'big', uploadId: upload.uploadId }]);
      const complete = (chosen: typeof parts) =>
        codeOf(service.uploads.complete({ ...at, parts: chosen }));
      expect(await complete([...parts].reverse())).toBe('part-order');
      expect(await complete([{ number: 2, etag: 'x' }])).toBe('part-missing');
      const tooSmall = parts.map((part) => ({ ...part }));
      tooSmall.splice(1, 1);
      expect(await complete(tooSmall)).toBe('fine');
      expect(await complete(tooSmall)).toBe('fine');
      const stored = await service.objects.get(ref);
      const whole = Buffer.concat([bodies[0] ?? Buffer.alloc(0), bodies[2] ?? Buffer.alloc(0)]);
      expect((await readAll(stored)).equals(whole)).toBe(true);
      expect(stored.info).toMatchObject({ contentType: 'x/y', metadata: { k: 'v' } });
      expect(stored.info.etag).toMatch(/^[0-9a-f]{32}-2$/);
      expect(stored.info.parts?.map((part) => part.size)).toEqual([70_000, 3]);
      expect(await codeOf(service.uploads.get(at))).toBe('upload-missing');
      expect(await subject.settledBlobs()).toBe(before + 3);
      expect(await service.containers.usage(container)).toEqual({ objects: 1, bytes: 70_003 });
      await service.objects.delete(ref);
      expect(await subject.settledBlobs()).toBe(before);
    });

    test('a small part in the middle is refused; an abort takes everything back', async () => {
      const before = await subject.settledBlobs();
      const container = await fresh();
      const ref = { container, name: 'big' };
      const { uploadId } = await service.uploads.create(ref, {});
      const at = { ...ref, uploadId };
      const one = await service.uploads.putPart({ ...at, number: 1, body: patterned(99) });
      const two = await service.uploads.putPart({ ...at, number: 2, body: patterned(99) });
      expect(await codeOf(service.uploads.complete({ ...at, parts: [one, two] }))).toBe(
        'part-too-small',
      );
      await service.uploads.abort(at);
      expect(await codeOf(service.uploads.abort(at))).toBe('upload-missing');
      expect(await codeOf(service.uploads.complete({ ...at, parts: [one] }))).toBe(
        'upload-missing',
      );
      expect(await subject.settledBlobs()).toBe(before);
    });

    test('a refused condition leaves the upload open', async () => {
      const container = await fresh();
      const ref = { container, name: 'big' };
      await service.objects.put({ ...ref, body: Buffer.from('there') });
      const { uploadId } = await service.uploads.create(ref, {});
      const at = { ...ref, uploadId };
      const one = await service.uploads.putPart({ ...at, number: 1, body: patterned(99) });
      const conditions = { ifNoneMatch: ['*'] };
      expect(await codeOf(service.uploads.complete({ ...at, parts: [one], conditions }))).toBe(
        'condition-failed',
      );
      expect(await codeOf(service.uploads.complete({ ...at, parts: [one] }))).toBe('fine');
    });

    test('names that cannot be are refused', async () => {
      const container = await fresh();
      for (const name of ['', 'a\0b', 'x'.repeat(1025), '\ud800'])
        expect(await codeOf(service.objects.put({ container, name, body: Buffer.alloc(0) }))).toBe(
          'name-invalid',
        );
      for (const name of ['', 'a/b', 'x'.repeat(257)])
        expect(await codeOf(service.containers.create({ account: 'AUTH_x', name }))).toBe(
          'name-invalid',
        );
    });
  });
}
