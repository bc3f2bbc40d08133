import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redKey, type S3World, startS3World } from './testing/s3-world.ts';
import { type Call, send, texts } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World({ proxy: { partBytesMin: 1000 } });
  await call('PUT', '/ups');
});
afterAll(() => world.close());

const call = (method: string, path: string, rest: Partial<Call> = {}) =>
  send(world, { method, path, ...rest });

async function begin(key: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await call('POST', `/ups/${key}?uploads`, { headers });
  expect(answer.status).toBe(200);
  return texts(answer, 'UploadId')[0] ?? '';
}

interface Place {
  readonly key: string;
  readonly uploadId: string;
}

const part = ({ key, uploadId }: Place, number: number | string, rest: Partial<Call> = {}) =>
  call('PUT', `/ups/${key}?partNumber=${number}&uploadId=${uploadId}`, rest);

const listed = (parts: readonly (readonly [number, string])[]) =>
  parts
    .map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`)
    .join('');

const complete = ({ key, uploadId }: Place, inner: string, headers: Record<string, string> = {}) =>
  call('POST', `/ups/${key}?uploadId=${uploadId}`, {
    body: `<CompleteMultipartUpload>${inner}</CompleteMultipartUpload>`,
    headers,
  });

const bodies = [Buffer.alloc(1000, 'a'), Buffer.alloc(70_000, 'b'), Buffer.from('end')];
const etagOf = (body: Buffer) => hash('md5', body);
const whole = Buffer.concat(bodies);
const wholeEtag = `${hash('md5', Buffer.from(bodies.map(etagOf).join(''), 'hex'))}-3`;

async function uploadAll(place: Place): Promise<string> {
  const etags: [number, string][] = [];
  for (const [at, body] of bodies.entries()) {
    const answer = await part(place, at * 10 + 1, { body });
    etags.push([at * 10 + 1, answer.headers.etag ?? '']);
  }
  return listed(etags);
}

describe('an upload', () => {
  test('becomes the object of its parts, with what was told at its start', async () => {
    const headers = { 'content-type': 'text/big', 'x-amz-meta-k': 'v' };
    const place = { key: 'whole', uploadId: await begin('whole', headers) };
    const inner = await uploadAll(place);
    expect((await call('GET', '/ups/whole')).code).toBe('NoSuchKey');
    const done = await complete(place, inner);
    expect(texts(done, 'ETag')).toEqual([`&quot;${wholeEtag}&quot;`]);
    const got = await call('GET', '/ups/whole');
    expect(got.body.equals(whole)).toBe(true);
    expect(got.headers).toMatchObject({
      etag: `"${wholeEtag}"`,
      'content-type': 'text/big',
      'x-amz-meta-k': 'v',
    });
    const second = await call('GET', '/ups/whole?partNumber=2');
    expect(second.status).toBe(206);
    expect(second.body.equals(bodies[1] ?? Buffer.alloc(0))).toBe(true);
    expect(second.headers['x-amz-mp-parts-count']).toBe('3');
    expect((await call('GET', '/ups/whole?partNumber=4')).code).toBe('InvalidPartNumber');
    const across = await call('GET', '/ups/whole', { headers: { range: 'bytes=990-71002' } });
    expect(across.body.equals(whole.subarray(990, 71_003))).toBe(true);
    const again = await complete(place, inner);
    expect([again.status, texts(again, 'ETag')]).toEqual([200, [`&quot;${wholeEtag}&quot;`]]);
  });

  test('lists its parts, in pages', async () => {
    const place = { key: 'parts', uploadId: await begin('parts') };
    await uploadAll(place);
    const path = `/ups/parts?uploadId=${place.uploadId}`;
    const all = await call('GET', path);
    expect(texts(all, 'PartNumber')).toEqual(['1', '11', '21']);
    expect(texts(all, 'Size')).toEqual(['1000', '70000', '3']);
    const page = await call('GET', `${path}&max-parts=2`);
    expect(texts(page, 'IsTruncated')).toEqual(['true']);
    expect(texts(page, 'NextPartNumberMarker')).toEqual(['11']);
    const rest = await call('GET', `${path}&part-number-marker=11`);
    expect(texts(rest, 'PartNumber')).toEqual(['21']);
  });

  test('is listed until it ends', async () => {
    const place = { key: 'dir/listed', uploadId: await begin('dir/listed') };
    await begin('dir/other');
    const list = (query: string) => call('GET', `/ups?uploads&${query}`);
    expect(texts(await list('prefix=dir/'), 'Key')).toEqual(['dir/listed', 'dir/other']);
    expect((await list('prefix=dir&delimiter=/')).text).toContain(
      '<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>',
    );
    const page = await list('prefix=dir/&max-uploads=1');
    const [key = '', id = ''] = [
      texts(page, 'NextKeyMarker')[0],
      texts(page, 'NextUploadIdMarker')[0],
    ];
    expect(key).toBe('dir/listed');
    const next = await list(`prefix=dir/&key-marker=${key}&upload-id-marker=${id}`);
    expect(texts(next, 'Key')).toEqual(['dir/other']);
    const aborted = await call('DELETE', `/ups/dir/listed?uploadId=${place.uploadId}`);
    expect(aborted.status).toBe(204);
    expect(texts(await list('prefix=dir/'), 'Key')).toEqual(['dir/other']);
    expect((await part(place, 1, { body: 'x' })).code).toBe('NoSuchUpload');
    expect((await complete(place, listed([[1, 'x']]))).code).toBe('NoSuchUpload');
  });

  test('refuses lists that are not right', async () => {
    const place = { key: 'wrong', uploadId: await begin('wrong') };
    await uploadAll(place);
    const [a, b] = [etagOf(bodies[0] ?? whole), etagOf(bodies[1] ?? whole)];
    const code = async (inner: string) => (await complete(place, inner)).code;
    expect(await code(listed([[1, b]]))).toBe('InvalidPart');
    expect(await code(listed([[2, a]]))).toBe('InvalidPart');
    expect(
      await code(
        listed([
          [11, b],
          [1, a],
        ]),
      ),
    ).toBe('InvalidPartOrder');
    expect(
      await code(
        listed([
          [21, etagOf(Buffer.from('end'))],
          [21, a],
        ]),
      ),
    ).toBe('InvalidPartOrder');
    expect(await code('')).toBe('MalformedXML');
    expect(await code('<Part><PartNumber>x</PartNumber><ETag>y</ETag></Part>')).toBe(
      'MalformedXML',
    );
    const small = { key: 'small', uploadId: await begin('small') };
    await part(small, 1, { body: 'tiny' });
    await part(small, 2, { body: 'tiny' });
    const tiny = etagOf(Buffer.from('tiny'));
    expect(
      (
        await complete(
          small,
          listed([
            [1, tiny],
            [2, tiny],
          ]),
        )
      ).code,
    ).toBe('EntityTooSmall');
    const stranger = await call('POST', `/ups/wrong?uploadId=${place.uploadId}`, {
      body: 'x',
      key: redKey,
    });
    expect(stranger.code).toBe('AccessDenied');
  });

  test('part numbers are bounded', async () => {
    const place = { key: 'bounds', uploadId: await begin('bounds') };
    for (const number of [0, 10_001, 'x', -1])
      expect((await part(place, number, { body: 'x' })).code).toBe('InvalidArgument');
    expect((await part({ ...place, uploadId: 'nonsense' }, 1, { body: 'x' })).code).toBe(
      'NoSuchUpload',
    );
  });

  test('completes on a condition', async () => {
    await call('PUT', '/ups/there', { body: 'x' });
    const place = { key: 'there', uploadId: await begin('there') };
    const inner = await uploadAll(place);
    expect((await complete(place, inner, { 'if-none-match': '*' })).code).toBe(
      'PreconditionFailed',
    );
    expect((await call('GET', '/ups/there')).text).toBe('x');
    const etag = `"${hash('md5', 'x')}"`;
    expect((await complete(place, inner, { 'if-match': etag })).status).toBe(200);
  });
});

describe('parts copied', () => {
  test('from objects and ranges of them', async () => {
    await call('PUT', '/ups/source', { body: whole });
    const place = { key: 'copied', uploadId: await begin('copied') };
    const copy = (number: number, range?: string) =>
      part(place, number, {
        headers: {
          'x-amz-copy-source': '/ups/source',
          ...(range === undefined ? {} : { 'x-amz-copy-source-range': range }),
        },
      });
    const first = texts(await copy(1, 'bytes=0-4999'), 'ETag')[0] ?? '';
    const second = texts(await copy(2), 'ETag')[0] ?? '';
    for (const bad of ['bytes=0-99999999', 'bytes=5-1', 'bytes=0-', 'nonsense'])
      expect((await copy(3, bad)).code).toBe('InvalidArgument');
    expect(
      (
        await complete(
          place,
          listed([
            [1, first],
            [2, second],
          ]),
        )
      ).status,
    ).toBe(200);
    const got = await call('GET', '/ups/copied');
    expect(got.body.equals(Buffer.concat([whole.subarray(0, 5000), whole]))).toBe(true);
  });
});

describe('checksums of uploads', () => {
  const crcOf = (data: Buffer): string => {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(crc32(data));
    return out.toString('base64');
  };

  test.each(['FULL_OBJECT', 'COMPOSITE'])('%s', async (type) => {
    const headers = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': type };
    const key = `summed-${type}`;
    const place = { key, uploadId: await begin(key, headers) };
    const sums = bodies.map(crcOf);
    let inner = '';
    for (const [at, body] of bodies.entries()) {
      const sum = sums[at] ?? '';
      const answer = await part(place, at + 1, { body, headers: { 'x-amz-checksum-crc32': sum } });
      expect(answer.headers['x-amz-checksum-crc32']).toBe(sum);
      inner += `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etagOf(body)}</ETag><ChecksumCRC32>${sum}</ChecksumCRC32></Part>`;
    }
    const composite = crcOf(Buffer.concat(sums.map((sum) => Buffer.from(sum, 'base64'))));
    const expected = type === 'FULL_OBJECT' ? crcOf(whole) : `${composite}-3`;
    const wrong = await complete(place, inner, { 'x-amz-checksum-crc32': 'AAAAAA==' });
    expect(wrong.code).toBe('BadDigest');
    const done = await complete(place, inner, { 'x-amz-checksum-crc32': expected });
    expect([texts(done, 'ChecksumCRC32'), texts(done, 'ChecksumType')]).toEqual([
      [expected],
      [type],
    ]);
    const got = await call('HEAD', `/ups/${key}`, {
      headers: { 'x-amz-checksum-mode': 'ENABLED' },
    });
    expect(got.headers['x-amz-checksum-crc32']).toBe(expected);
  });

  test('parts that are copied get theirs', async () => {
    await call('PUT', '/ups/to-copy', { body: whole });
    const headers = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' };
    const place = { key: 'sum-copied', uploadId: await begin('sum-copied', headers) };
    const source = { 'x-amz-copy-source': '/ups/to-copy' };
    const copied = await part(place, 1, { headers: source });
    expect(texts(copied, 'ChecksumCRC32')).toEqual([crcOf(whole)]);
    const done = await complete(place, listed([[1, etagOf(whole)]]));
    expect(texts(done, 'ChecksumCRC32')).toEqual([crcOf(whole)]);
  });
});
