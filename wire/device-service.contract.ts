/** What every `DeviceService` must do: the disk store, its memory twin and the clients all pass this. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure, type FailureKind } from '#common';
import type { BlobKey, DeviceService, RowKey, RowWrite } from './device-service.ts';
import { blobReadBytesMax, rowBodyBytesMax } from './device-service.ts';
import type { SurveyRequest } from './survey.ts';
import type { Version } from './versions.ts';

/** A device to examine, and how to be rid of it. */
export interface DeviceUnderTest {
  readonly device: DeviceService;
  close(): Promise<void>;
}

const at = (timeUs: number, coordinator = 1): Version => ({ timeUs, coordinator });
const keyOf = (sort: string, partition = 'p'): RowKey => ({
  table: 'objects',
  partition,
  sort,
  hash: 7,
});

function writeOf(sort: string, version: Version, more: Partial<RowWrite> = {}): RowWrite {
  const empty = {
    deleted: false,
    meta: Buffer.from(`m-${sort}`),
    bytes: 10,
    body: Buffer.alloc(0),
  };
  return { key: keyOf(sort), version, ...empty, ...more };
}

const gone = { deleted: true, meta: Buffer.alloc(0), bytes: 0 } as const;

function blobOf(first: string, hash = 9): BlobKey {
  return { id: first.padStart(32, '0'), hash };
}

function patterned(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed + (i >>> 8)) & 0xff;
  return bytes;
}

async function refuses(work: Promise<unknown>, kind: FailureKind, code: string): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Failure);
  expect(error).toMatchObject({ kind, code });
}

export function deviceServiceContract(
  name: string,
  makeDevice: () => Promise<DeviceUnderTest>,
): void {
  describe(`${name} as a device`, () => {
    let made: DeviceUnderTest;
    let device: DeviceService;
    beforeEach(async () => {
      made = await makeDevice();
      device = made.device;
    });
    afterEach(() => made.close());
    const use = () => device;
    describe('rows', () => rowContract(use));
    describe('prepare', () => prepareContract(use));
    describe('scans', () => scanContract(use));
    describe('blobs', () => blobContract(use));
    describe('fences', () => fenceContract(use));
    describe('surveys', () => surveyContract(use));
    describe('forgetting', () => forgetContract(use));
    describe('bad input', () => boundsContract(use));
  });
}

function rowContract(use: () => DeviceService): void {
  test('a row that was never written is undefined', async () => {
    expect(await use().readRow(keyOf('a'), { body: true })).toBeUndefined();
  });

  test('reads back what was accepted, with the body only when asked', async () => {
    const write = writeOf('a', at(5), { body: patterned(4096, 1) });
    expect(await use().acceptRow(write)).toEqual({ outcome: 'ok', previous: undefined });
    const row = await use().readRow(write.key, { body: true });
    expect(row).toEqual({
      sort: 'a',
      version: at(5),
      deleted: false,
      meta: write.meta,
      bytes: 10,
      bodyLength: 4096,
      body: write.body,
    });
    const plain = await use().readRow(write.key, { body: false });
    expect(plain).not.toHaveProperty('body');
    expect(plain?.bodyLength).toBe(4096);
  });

  test('a body asked for of a row without one is empty', async () => {
    await use().acceptRow(writeOf('a', at(1)));
    const row = await use().readRow(keyOf('a'), { body: true });
    expect(row?.body).toEqual(Buffer.alloc(0));
  });

  test('the newest version stays, whatever the order', async () => {
    await use().acceptRow(writeOf('a', at(5, 2)));
    expect(await use().acceptRow(writeOf('a', at(5, 1)))).toEqual({
      outcome: 'superseded',
      by: at(5, 2),
    });
    expect(await use().acceptRow(writeOf('a', at(4, 9)))).toMatchObject({ outcome: 'superseded' });
    const meta = Buffer.from('newer');
    const outcome = await use().acceptRow(writeOf('a', at(6), { meta }));
    expect(outcome).toMatchObject({ outcome: 'ok', previous: { version: at(5, 2), bytes: 10 } });
    expect(outcome).not.toHaveProperty('previous.body');
    expect((await use().readRow(keyOf('a'), { body: false }))?.meta).toEqual(meta);
  });

  test('accepting the same version again is ok', async () => {
    await use().acceptRow(writeOf('a', at(5)));
    expect(await use().acceptRow(writeOf('a', at(5)))).toMatchObject({
      outcome: 'ok',
      previous: { version: at(5) },
    });
  });

  test('a tombstone is a row, and counts for nothing', async () => {
    await use().acceptRow(writeOf('a', at(5), { bytes: 100 }));
    await use().acceptRow(writeOf('b', at(5), { bytes: 7 }));
    await use().acceptRow(writeOf('a', at(6), gone));
    expect(await use().readRow(keyOf('a'), { body: false })).toMatchObject({
      deleted: true,
      version: at(6),
    });
    expect(await use().aggregate('objects', 'p', 7)).toMatchObject({ rows: 1, bytes: 7 });
    expect((await use().status()).rows).toBe(1);
  });

  test('concurrent writes of one row leave the newest, and count once', async () => {
    const versions = [3, 9, 1, 7, 8, 2, 6, 5, 4, 10, 12, 11];
    const outcomes = await Promise.all(
      versions.map((time) => use().acceptRow(writeOf('a', at(time), { bytes: time }))),
    );
    expect(outcomes.filter((one) => one.outcome === 'ok').length).toBeGreaterThan(0);
    expect((await use().readRow(keyOf('a'), { body: false }))?.version).toEqual(at(12));
    expect(await use().aggregate('objects', 'p', 7)).toMatchObject({ rows: 1, bytes: 12 });
  });

  test('the digest depends on content alone, not on the order of writing', async () => {
    const other = (sort: string, time: number) =>
      writeOf(sort, at(time), { key: keyOf(sort, 'other') });
    for (const sort of ['a', 'b', 'c']) await use().acceptRow(writeOf(sort, at(3)));
    await use().acceptRow(other('c', 3));
    await use().acceptRow(other('b', 1));
    await use().acceptRow(other('a', 3));
    const digest = async (partition: string) =>
      (await use().aggregate('objects', partition, 7)).digest;
    expect(await digest('p')).toMatch(/^[0-9a-f]{16}$/);
    expect(await digest('other')).not.toBe(await digest('p'));
    await use().acceptRow(other('b', 3));
    expect(await digest('other')).toBe(await digest('p'));
    expect(await digest('never written')).toBe('0000000000000000');
  });

  test('the largest body and a large meta come back whole', async () => {
    const write = writeOf('a', at(1), {
      meta: patterned(300_000, 3),
      body: patterned(rowBodyBytesMax, 4),
    });
    await use().acceptRow(write);
    const row = await use().readRow(write.key, { body: true });
    expect(row?.meta.equals(write.meta)).toBe(true);
    expect(row?.body?.equals(write.body)).toBe(true);
  });
}

function prepareContract(use: () => DeviceService): void {
  test('nothing older than a promise is accepted after it', async () => {
    expect(await use().prepareRow(keyOf('a'), at(10))).toEqual({
      outcome: 'promised',
      row: undefined,
    });
    expect(await use().acceptRow(writeOf('a', at(9)))).toEqual({
      outcome: 'superseded',
      by: at(10),
    });
    expect(await use().readRow(keyOf('a'), { body: false })).toBeUndefined();
    expect(await use().acceptRow(writeOf('a', at(10)))).toMatchObject({ outcome: 'ok' });
  });

  test('a promise answers with what is accepted, body and tombstone included', async () => {
    const body = patterned(100, 5);
    await use().acceptRow(writeOf('a', at(3), { body }));
    expect(await use().prepareRow(keyOf('a'), at(10))).toMatchObject({
      outcome: 'promised',
      row: { version: at(3), body },
    });
    await use().acceptRow(writeOf('a', at(10), gone));
    expect(await use().prepareRow(keyOf('a'), at(11))).toMatchObject({
      outcome: 'promised',
      row: { version: at(10), deleted: true },
    });
  });

  test('an older ballot is refused, the same one promised again, a used one refused', async () => {
    await use().prepareRow(keyOf('a'), at(10));
    expect(await use().prepareRow(keyOf('a'), at(9))).toEqual({
      outcome: 'superseded',
      by: at(10),
    });
    expect(await use().prepareRow(keyOf('a'), at(10))).toMatchObject({ outcome: 'promised' });
    await use().acceptRow(writeOf('a', at(10)));
    expect(await use().prepareRow(keyOf('a'), at(10))).toEqual({
      outcome: 'superseded',
      by: at(10),
    });
  });

  test('a repeated write is still ok after a newer promise', async () => {
    await use().acceptRow(writeOf('a', at(3)));
    await use().prepareRow(keyOf('a'), at(10));
    expect(await use().acceptRow(writeOf('a', at(3)))).toMatchObject({ outcome: 'ok' });
    expect(await use().acceptRow(writeOf('a', at(5)))).toEqual({
      outcome: 'superseded',
      by: at(10),
    });
  });

  test('a promise alone is no row', async () => {
    await use().prepareRow(keyOf('a'), at(10));
    const page = await use().scanRows({ table: 'objects', partition: 'p', hash: 7, limit: 10 });
    expect(page).toMatchObject({ rows: [], more: false, aggregate: { rows: 0 } });
  });

  test('of two racing ballots the newer wins', async () => {
    const [older, newer] = await Promise.all([
      use().prepareRow(keyOf('a'), at(10)),
      use().prepareRow(keyOf('a'), at(11)),
    ]);
    expect(newer).toMatchObject({ outcome: 'promised' });
    expect(['promised', 'superseded']).toContain(older?.outcome);
    expect(await use().acceptRow(writeOf('a', at(10)))).toEqual({
      outcome: 'superseded',
      by: at(11),
    });
  });
}

// In UTF-8 order, which is not JavaScript's: the last two would change places.
const sorts = ['', 'a', 'a\u0000', 'a/b', 'b', 'é', '￰', '𐀀'];

function scanContract(use: () => DeviceService): void {
  const partition = { table: 'objects', partition: 'p', hash: 7 };
  const scan = async (more: object) => {
    const page = await use().scanRows({ ...partition, limit: 100, ...more });
    return page.rows.map((row) => row.sort);
  };
  beforeEach(async () => {
    const shuffled = [3, 0, 6, 1, 7, 5, 2, 4].map((place) => sorts[place] ?? '');
    await Promise.all(shuffled.map((sort) => use().acceptRow(writeOf(sort, at(2)))));
    await use().acceptRow(writeOf('x', at(2), { key: keyOf('x', 'p2') }));
    await use().acceptRow(writeOf('y', at(2), { key: { ...keyOf('y'), table: 'objects2' } }));
  });

  test('in UTF-8 order, of this partition key alone', async () => {
    expect(await scan({})).toEqual(sorts);
    expect(await scan({ reverse: true })).toEqual([...sorts].reverse());
  });

  test('from, inclusive and until, both ways', async () => {
    expect(await scan({ from: 'a' })).toEqual(sorts.slice(2));
    expect(await scan({ from: 'a', inclusive: true })).toEqual(sorts.slice(1));
    expect(await scan({ from: 'a', until: 'b' })).toEqual(['a\u0000', 'a/b']);
    expect(await scan({ from: '' })).toEqual(sorts.slice(1));
    expect(await scan({ from: 'b', reverse: true })).toEqual(sorts.slice(0, 4).reverse());
    expect(await scan({ from: 'b', reverse: true, inclusive: true, until: 'a' })).toEqual([
      'b',
      'a/b',
      'a\u0000',
    ]);
    expect(await scan({ from: 'zz', until: 'aa' })).toEqual([]);
  });

  test('a limit says whether more follows', async () => {
    const first = await use().scanRows({ ...partition, limit: 3 });
    expect(first.rows.map((row) => row.sort)).toEqual(sorts.slice(0, 3));
    expect(first.more).toBe(true);
    const last = await use().scanRows({ ...partition, limit: 8 });
    expect(last.more).toBe(false);
    expect(last.aggregate).toEqual(await use().aggregate('objects', 'p', 7));
  });

  test('rows carry everything but bodies; tombstones are among them', async () => {
    await use().acceptRow(writeOf('a', at(3), { body: patterned(50, 1) }));
    await use().acceptRow(writeOf('b', at(3), gone));
    const { rows } = await use().scanRows({ ...partition, limit: 5 });
    expect(rows[1]).toEqual({
      sort: 'a',
      version: at(3),
      deleted: false,
      meta: Buffer.from('m-a'),
      bytes: 10,
      bodyLength: 50,
    });
    expect(rows[4]).toMatchObject({ sort: 'b', deleted: true });
  });

  test('pages of a thousand rows join without gap or repeat', async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `n${String(i).padStart(4, '0')}`);
    await Promise.all(
      names.map((sort) => use().acceptRow(writeOf(sort, at(1), { key: keyOf(sort, 'many') }))),
    );
    const seen: string[] = [];
    for (let from: string | undefined, more = true; more; from = seen.at(-1)) {
      const page = await use().scanRows({
        ...partition,
        partition: 'many',
        limit: 150,
        ...(from === undefined ? {} : { from }),
      });
      for (const row of page.rows) seen.push(row.sort);
      more = page.more;
    }
    expect(seen).toEqual(names);
  });
}

function blobContract(use: () => DeviceService): void {
  const sizes = [0, 1, 65_536, 100_000, 1_048_576, 3_000_001];
  for (const size of sizes) {
    test(`a blob of ${size} bytes comes back, whole and in parts`, async () => {
      const content = patterned(size, size);
      const key = blobOf('a1');
      await use().putBlob(key, [content.subarray(0, 10), content.subarray(10)], {});
      expect(await use().statBlob(key)).toEqual({ ...key, length: size });
      for (const [offset, length] of [
        [0, blobReadBytesMax],
        [65_530, 20],
        [Math.max(0, size - 5), 100],
        [size + 10, 10],
      ] as const) {
        const part = await use().readBlob(key, offset, length);
        expect(part.equals(content.subarray(offset, offset + length))).toBe(true);
      }
    });
  }

  test('a missing blob', async () => {
    expect(await use().statBlob(blobOf('1'))).toBeUndefined();
    await refuses(use().readBlob(blobOf('1'), 0, 1), 'missing', 'blob-missing');
    await use().deleteBlob(blobOf('1'));
  });

  test('the same content again is fine, other content is a conflict', async () => {
    for (const size of [1000, 2_000_000]) {
      const key = blobOf(String(size));
      await use().putBlob(key, [patterned(size, 1)], {});
      await use().putBlob(key, [patterned(size, 1)], {});
      await refuses(use().putBlob(key, [patterned(size, 2)], {}), 'conflict', 'blob-exists');
      await refuses(use().putBlob(key, [patterned(10, 1)], {}), 'conflict', 'blob-exists');
      expect((await use().readBlob(key, 0, 10)).equals(patterned(10, 1))).toBe(true);
    }
  });

  test('a deleted blob is gone and may come back', async () => {
    for (const size of [1000, 2_000_000]) {
      const key = blobOf(String(size));
      await use().putBlob(key, [patterned(size, 1)], {});
      await use().deleteBlob(key);
      expect(await use().statBlob(key)).toBeUndefined();
      await refuses(use().readBlob(key, 0, 1), 'missing', 'blob-missing');
      await use().putBlob(key, [patterned(size, 2)], {});
      expect((await use().readBlob(key, 0, 100)).equals(patterned(100, 2))).toBe(true);
    }
  });

  test('a streamed blob is seen only once committed', async () => {
    const content = patterned(5_000_123, 6);
    const key = blobOf('5');
    const writer = await use().openBlob(key, { lengthHint: content.length });
    for (let done = 0; done < content.length; done += 70_001)
      await writer.append([content.subarray(done, done + 70_001)]);
    expect(await use().statBlob(key)).toBeUndefined();
    await writer.commit();
    expect(await use().statBlob(key)).toEqual({ ...key, length: content.length });
    for (let done = 0; done < content.length; done += blobReadBytesMax) {
      const part = await use().readBlob(key, done, blobReadBytesMax);
      expect(part.equals(content.subarray(done, done + blobReadBytesMax))).toBe(true);
    }
  });

  test('chunks of a streamed blob may be written over as soon as they are released', async () => {
    for (const [size, step] of [
      [5_000_123, 150_001],
      [100_000, 30_000],
    ] as const) {
      const content = patterned(size, 7);
      const key = blobOf(String(size));
      const writer = await use().openBlob(key, { lengthHint: content.length });
      let [given, released] = [0, 0];
      for (let done = 0; done < size; done += step, given++) {
        const chunk = Buffer.from(content.subarray(done, done + step));
        await writer.append([chunk], () => {
          released++;
          chunk.fill(0xff);
        });
      }
      await writer.commit();
      expect(released).toBeLessThanOrEqual(given);
      for (let done = 0; done < size; done += blobReadBytesMax) {
        const part = await use().readBlob(key, done, blobReadBytesMax);
        expect(part.equals(content.subarray(done, done + blobReadBytesMax))).toBe(true);
      }
    }
  });

  test('an aborted blob leaves nothing, a short one is stored all the same', async () => {
    const aborted = await use().openBlob(blobOf('1'), {});
    await aborted.append([patterned(3_000_000, 1)]);
    await aborted.abort();
    expect(await use().statBlob(blobOf('1'))).toBeUndefined();
    const short = await use().openBlob(blobOf('2'), { lengthHint: 4_000_000 });
    await short.append([patterned(100, 2)]);
    await short.commit();
    expect((await use().readBlob(blobOf('2'), 0, 1000)).equals(patterned(100, 2))).toBe(true);
    expect((await use().status()).blobs).toBe(1);
  });

  test('lists by hash, then id', async () => {
    const keys = [blobOf('2', 1), blobOf('1', 2), blobOf('3', 2), blobOf('0', 0xffffffff)];
    for (const key of [...keys].reverse()) await use().putBlob(key, [patterned(10, 1)], {});
    const expected = keys.map((key) => ({ ...key, length: 10 }));
    expect(await use().listBlobs({ limit: 10 })).toEqual(expected);
    expect(await use().listBlobs({ limit: 2 })).toEqual(expected.slice(0, 2));
    const after = keys[1] ?? blobOf('0');
    expect(await use().listBlobs({ after, limit: 10 })).toEqual(expected.slice(2));
  });
}

function fenceContract(use: () => DeviceService): void {
  const under = (epoch: number) => ({ fence: { scope: 'volume-1', epoch } });

  test('writes below the epoch are refused, others are not', async () => {
    expect(await use().raiseFence({ scope: 'volume-1', epoch: 5 })).toBe(5);
    expect(await use().raiseFence({ scope: 'volume-1', epoch: 3 })).toBe(5);
    await refuses(use().putBlob(blobOf('1'), [Buffer.from('x')], under(4)), 'denied', 'fenced');
    await refuses(use().openBlob(blobOf('1'), under(4)), 'denied', 'fenced');
    await use().putBlob(blobOf('1'), [Buffer.from('x')], under(5));
    await use().putBlob(blobOf('2'), [Buffer.from('x')], under(6));
    await use().putBlob(blobOf('3'), [Buffer.from('x')], { fence: { scope: 'other', epoch: 0 } });
    expect((await use().status()).blobs).toBe(3);
  });

  test('a stream opened before the fence was raised does not get through', async () => {
    for (const size of [100, 2_000_000]) {
      const key = blobOf(String(size));
      const epoch = size;
      const writer = await use().openBlob(key, under(epoch));
      await writer.append([patterned(size, 1)]);
      await use().raiseFence({ scope: 'volume-1', epoch: epoch + 1 });
      await refuses(writer.commit(), 'denied', 'fenced');
      await writer.abort();
      expect(await use().statBlob(key)).toBeUndefined();
    }
  });
}

function surveyContract(use: () => DeviceService): void {
  const halves = { power: 1, first: 0, count: 2 } as const;
  const digests = async () => (await use().survey({ what: 'digests', ...halves })).digests;
  const named = (sort: string, hash: number): RowKey => ({ ...keyOf(sort, `p${hash}`), hash });

  test('fragments are blobs of their own, beside their whole, and have no part in digests', async () => {
    const whole = blobOf('7', 0x90000000);
    const ask = { what: 'digests', power: 1, first: 0, count: 2 } as const;
    await use().putBlob(whole, [patterned(10, 1)], {});
    const before = (await use().survey(ask)).digests;
    const sizes = [100, 2_000_000];
    const fragments = sizes.map((_, at) => ({ ...whole, id: `${whole.id}0104020${at}` }));
    for (const [at, key] of fragments.entries())
      await use().putBlob(key, [patterned(sizes[at] ?? 0, at)], {});
    const written = await use().openBlob({ ...whole, id: `${whole.id}01040202` }, {});
    await written.append([patterned(1_500_000, 9)]);
    await written.commit();
    expect((await use().listBlobs({ limit: 10 })).map(({ id }) => id)).toEqual([
      whole.id,
      ...fragments.map(({ id }) => id),
      `${whole.id}01040202`,
    ]);
    for (const [at, key] of fragments.entries()) {
      const content = patterned(sizes[at] ?? 0, at).subarray(0, 1000);
      expect((await use().readBlob(key, 0, 1000)).equals(content)).toBe(true);
    }
    expect((await use().survey(ask)).digests.equals(before)).toBe(true);
    await use().deleteBlob(fragments[0] ?? whole);
    expect((await use().readBlob(whole, 0, 10)).equals(patterned(10, 1))).toBe(true);
    await refuses(use().statBlob({ ...whole, id: `${whole.id}01` }), 'invalid', 'bad-request');
  });

  test('digests tell of rows and blobs in each share of the hashes, whatever the order they came in', async () => {
    const empty = await digests();
    expect(empty).toEqual(Buffer.alloc(32));
    await use().acceptRow({ ...writeOf('a', at(1)), key: named('a', 1) });
    const one = await digests();
    expect(one.subarray(0, 8).equals(empty.subarray(0, 8))).toBe(false);
    expect(one.subarray(8).equals(empty.subarray(8))).toBe(true);
    await use().acceptRow({ ...writeOf('b', at(2)), key: named('b', 0x90000000) });
    await use().putBlob(blobOf('7', 0x90000000), [patterned(10, 1)], {});
    const all = await digests();
    expect(all.subarray(0, 16).equals(one.subarray(0, 16))).toBe(true);
    expect(all.subarray(16, 24).equals(empty.subarray(16, 24))).toBe(false);
    expect(all.subarray(24).equals(empty.subarray(24))).toBe(false);
    await use().deleteBlob(blobOf('7', 0x90000000));
    expect((await digests()).subarray(24).equals(empty.subarray(24))).toBe(true);
  });

  test('lists partition keys by hash with their aggregates, in pages', async () => {
    for (const hash of [9, 3, 0xffffffff, 5])
      await use().acceptRow({
        ...writeOf('a', at(1)),
        key: { table: 't', partition: `p${hash}`, sort: 'a', hash },
      });
    const ask = { what: 'partitions', from: 3, until: 2 ** 32 } as const;
    const first = await use().survey({ ...ask, limit: 2 });
    expect(first.partitions.map(({ hash }) => hash)).toEqual([3, 5]);
    expect(first.partitions[0]?.aggregate).toEqual(await use().aggregate('t', 'p3', 3));
    expect(first.next).toBeDefined();
    const after = { table: 't', partition: 'p5', hash: 5 };
    const second = await use().survey({ ...ask, after, limit: 9 });
    expect(second.partitions.map(({ hash }) => hash)).toEqual([9, 0xffffffff]);
    expect(second.next).toBeUndefined();
    const none = await use().survey({ what: 'partitions', from: 6, until: 9, limit: 9 });
    expect(none.partitions).toEqual([]);
  });

  test('lists versions, tombstones included, and only those of the buckets asked for', async () => {
    const sorts = ['a', 'b', 'c', 'ö', '\u{1f600}'];
    for (const [index, sort] of sorts.entries())
      await use().acceptRow(writeOf(sort, at(index + 1)));
    const { table, partition, hash } = keyOf('a');
    const of = { table, partition, hash };
    const whole = await use().survey({ what: 'versions', of, limit: 9 });
    expect(whole.versions).toEqual(sorts.map((sort, index) => ({ sort, version: at(index + 1) })));
    const page = await use().survey({ what: 'versions', of, after: 'b', limit: 2 });
    expect(page.versions.map(({ sort }) => sort)).toEqual(['c', 'ö']);
    expect(page.next).toBe('ö');
    const power = 3;
    const within = await use().survey({
      ...{ what: 'digests', power, first: 0, count: 8, within: of },
    });
    expect(within.digests.length).toBe(64);
    const found: string[] = [];
    for (let bucket = 0; bucket < 8; bucket++) {
      const ask = { what: 'versions', of, power, buckets: [bucket], limit: 9 } as const;
      const { versions } = await use().survey(ask);
      const sum = within.digests.subarray(bucket * 8, bucket * 8 + 8);
      expect(versions.length > 0).toBe(!sum.equals(Buffer.alloc(8)));
      found.push(...versions.map(({ sort }) => sort));
    }
    expect(found.sort()).toEqual([...sorts].sort());
  });

  test('lists fences, and finds nothing bad in what is good', async () => {
    await use().raiseFence({ scope: 'v2', epoch: 4 });
    await use().raiseFence({ scope: 'v1', epoch: 3 });
    expect((await use().survey({ what: 'fences', limit: 9 })).fences).toEqual([
      { scope: 'v1', epoch: 3 },
      { scope: 'v2', epoch: 4 },
    ]);
    const after = (await use().survey({ what: 'fences', after: 'v1', limit: 9 })).fences;
    expect(after).toEqual([{ scope: 'v2', epoch: 4 }]);
    await use().acceptRow(writeOf('a', at(1)));
    await use().putBlob(blobOf('1'), [patterned(2_000_000, 1)], {});
    let next: string | undefined;
    do {
      const where = next === undefined ? {} : { after: next };
      const reply = await use().survey({ what: 'scrub', bytesMax: 100_000, ...where });
      expect(reply.bad).toBe(0);
      next = reply.next;
    } while (next !== undefined);
    expect((await use().survey({ what: 'quarantined', limit: 9 })).quarantined).toEqual([]);
  });

  test('refuses what no survey may ask', async () => {
    const bad = (request: SurveyRequest) =>
      refuses(use().survey(request), 'invalid', 'bad-request');
    await bad({ what: 'digests', power: 2, first: 3, count: 2 });
    await bad({ what: 'digests', power: 25, first: 0, count: 1 });
    await bad({ what: 'partitions', from: 0, until: 1, limit: 10_001 });
    await bad({ what: 'scrub', bytesMax: 2 ** 40 });
  });
}

function forgetContract(use: () => DeviceService): void {
  const gone = { deleted: true, meta: Buffer.alloc(0), bytes: 0, body: Buffer.alloc(0) };
  const { table, partition, hash } = keyOf('a');
  const forget = async (sort: string, version: Version) => {
    const rows = [{ key: keyOf(sort), version }];
    return (await use().survey({ what: 'forget', rows })).records;
  };
  const digest = async () => (await use().aggregate(table, partition, hash)).digest;

  test('a row is gone without a trace, and only in the version that was named', async () => {
    const empty = await digest();
    await use().acceptRow(writeOf('a', at(5), { bytes: 7 }));
    expect(await forget('a', at(4))).toBe(0);
    expect(await forget('b', at(5))).toBe(0);
    expect((await use().readRow(keyOf('a'), { body: false }))?.version).toEqual(at(5));
    expect(await forget('a', at(5))).toBe(1);
    expect(await use().readRow(keyOf('a'), { body: false })).toBeUndefined();
    expect(await digest()).toBe(empty);
    const everything = { what: 'partitions', from: 0, until: 2 ** 32, limit: 9 } as const;
    expect((await use().survey(everything)).partitions).toEqual([]);
    expect((await use().scanRows({ table, partition, hash, limit: 9 })).rows).toEqual([]);
    expect((await use().status()).rows).toBe(0);
    // It was no tombstone: whoever brings it again may.
    expect(await use().acceptRow(writeOf('a', at(5)))).toMatchObject({ outcome: 'ok' });
  });

  test('after a tombstone was forgotten only newer writes are taken, and copies', async () => {
    await use().acceptRow(writeOf('a', at(5), gone));
    await use().acceptRow(writeOf('known', at(2)));
    const { versions } = await use().survey({
      ...{ what: 'versions', of: { table, partition, hash }, limit: 9 },
    });
    expect(versions[0]).toEqual({ sort: 'a', version: at(5), deleted: true });
    expect(await forget('a', at(5))).toBe(1);
    for (const sort of ['a', 'b'])
      expect(await use().acceptRow(writeOf(sort, at(5)))).toMatchObject({ outcome: 'superseded' });
    expect(await use().prepareRow(keyOf('c'), at(5))).toMatchObject({ outcome: 'superseded' });
    expect(await use().acceptRow(writeOf('known', at(3)))).toMatchObject({ outcome: 'ok' });
    expect(await use().acceptRow({ ...writeOf('b', at(4)), copied: true })).toMatchObject({
      outcome: 'ok',
    });
    expect(await use().acceptRow(writeOf('a', at(6)))).toMatchObject({ outcome: 'ok' });
    expect((await use().readRow(keyOf('a'), { body: false }))?.version).toEqual(at(6));
  });

  test('a promise is kept: by the time that a tombstone leaves, else by not forgetting', async () => {
    await use().acceptRow(writeOf('a', at(5), gone));
    await use().prepareRow(keyOf('a'), at(8));
    expect(await forget('a', at(5))).toBe(1);
    expect(await use().acceptRow(writeOf('a', at(7)))).toMatchObject({ outcome: 'superseded' });
    expect(await use().acceptRow(writeOf('a', at(9)))).toMatchObject({ outcome: 'ok' });
    await use().prepareRow(keyOf('a'), at(10));
    expect(await forget('a', at(9))).toBe(0);
  });

  test('refuses more at a time than it may be asked', async () => {
    const rows = Array.from({ length: 1001 }, () => ({ key: keyOf('a'), version: at(1) }));
    await refuses(use().survey({ what: 'forget', rows }), 'invalid', 'bad-request');
  });
}

function boundsContract(use: () => DeviceService): void {
  test('rows', async () => {
    const bad = (key: Partial<RowKey>) =>
      refuses(use().readRow({ ...keyOf('a'), ...key }, { body: false }), 'invalid', 'bad-request');
    await bad({ table: 'Objects' });
    await bad({ table: '' });
    await bad({ hash: -1 });
    await bad({ partition: 'p'.repeat(1025) });
    await bad({ sort: 's'.repeat(2049) });
    await bad({ sort: '\ud800' });
    await bad({ sort: '€'.repeat(683) });
    const badWrite = (more: Partial<RowWrite>) =>
      refuses(use().acceptRow(writeOf('a', at(1), more)), 'invalid', 'bad-request');
    await badWrite({ bytes: -1 });
    await badWrite({ bytes: 2 ** 53 });
    await badWrite({ body: Buffer.alloc(rowBodyBytesMax + 1) });
    await badWrite({ deleted: true });
    await badWrite({ version: { timeUs: 1.5, coordinator: 0 } });
  });

  test('scans, blobs and fences', async () => {
    const scan = { table: 'objects', partition: 'p', hash: 7 };
    await refuses(use().scanRows({ ...scan, limit: 0 }), 'invalid', 'bad-request');
    await refuses(use().scanRows({ ...scan, limit: 10_001 }), 'invalid', 'bad-request');
    const bad: BlobKey = { id: '../../etc/passwd', hash: 0 };
    await refuses(use().putBlob(bad, [], {}), 'invalid', 'bad-request');
    await refuses(use().readBlob(bad, 0, 1), 'invalid', 'bad-request');
    await refuses(use().readBlob(blobOf('1'), -1, 1), 'invalid', 'bad-request');
    await refuses(use().readBlob(blobOf('1'), 0, blobReadBytesMax + 1), 'invalid', 'bad-request');
    await refuses(use().listBlobs({ limit: 0 }), 'invalid', 'bad-request');
    const scope = 'x'.repeat(65);
    await refuses(use().raiseFence({ scope, epoch: 1 }), 'invalid', 'bad-request');
  });
}
