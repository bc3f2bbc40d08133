import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type S3World, startS3World } from './testing/s3-world.ts';
import { type Call, send, texts } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World();
  await call('PUT', '/bucket');
});
afterAll(() => world.close());

const call = (method: string, path: string, rest: Partial<Call> = {}) =>
  send(world, { method, path, ...rest });

const put = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  call('PUT', path, { body, headers });
const get = (path: string, headers: Record<string, string> = {}) => call('GET', path, { headers });
const md5 = (body: string | Buffer) => hash('md5', body);

describe('put and get', () => {
  test('headers and metadata come back', async () => {
    const headers = {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'max-age=60',
      'content-disposition': 'attachment; filename="a b"',
      'content-encoding': 'aws-chunked,gzip',
      'x-amz-meta-color': 'blue',
    };
    const stored = await put('/bucket/with-headers', 'hello', headers);
    expect([stored.status, stored.headers.etag]).toEqual([200, `"${md5('hello')}"`]);
    const got = await get('/bucket/with-headers');
    expect(got.text).toBe('hello');
    expect(got.headers).toMatchObject({
      'content-length': '5',
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'max-age=60',
      'content-disposition': 'attachment; filename="a b"',
      'content-encoding': 'gzip',
      'x-amz-meta-color': 'blue',
      'accept-ranges': 'bytes',
      etag: `"${md5('hello')}"`,
    });
    const head = await call('HEAD', '/bucket/with-headers');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '5', 0]);
  });

  test('bodies of all sizes, in the row and in blobs', async () => {
    for (const size of [0, 1, 16_384, 16_385, 300_000, 3_000_000]) {
      const body = Buffer.alloc(size, 'abcdefg');
      const stored = await put(`/bucket/size-${size}`, body);
      expect(stored.headers.etag).toBe(`"${md5(body)}"`);
      const got = await get(`/bucket/size-${size}`);
      expect(got.body.equals(body), `${size} bytes`).toBe(true);
    }
  });

  test.each(['a//b', 'a/../b', './x', 'tr%C3%BC', '%2B%20%25', '~!*()', '%F0%9F%98%80'])(
    'the name %s is kept as it is',
    async (name) => {
      await put(`/bucket/odd/${name}`, name);
      expect((await get(`/bucket/odd/${name}`)).text).toBe(name);
      const listed = await get(
        `/bucket?prefix=odd/${encodeURIComponent(decodeURIComponent(name))}`,
      );
      expect(texts(listed, 'Key')).toContain(`odd/${decodeURIComponent(name)}`);
      await call('DELETE', `/bucket/odd/${name}`);
      expect((await get(`/bucket/odd/${name}`)).code).toBe('NoSuchKey');
    },
  );

  test('what the client vouched for is checked, and nothing wrong becomes visible', async () => {
    const wrong: readonly [Record<string, string>, string][] = [
      [{ 'content-md5': Buffer.from(md5('x'), 'hex').toString('base64') }, 'BadDigest'],
      [{ 'content-md5': 'nonsense' }, 'InvalidDigest'],
      [{ 'x-amz-checksum-crc32': 'AAAAAA==' }, 'BadDigest'],
      [{ 'x-amz-checksum-sha256': 'short' }, 'InvalidRequest'],
      [{ 'x-amz-content-sha256': hash('sha256', 'other') }, 'XAmzContentSHA256Mismatch'],
      [{ 'x-amz-content-sha256': 'NONSENSE' }, 'InvalidArgument'],
    ];
    for (const [headers, code] of wrong) {
      for (const body of ['hello', Buffer.alloc(100_000, 'x')]) {
        const answer = await put('/bucket/never', body, headers);
        expect([answer.status, answer.code]).toEqual([400, code]);
      }
    }
    expect((await get('/bucket/never')).code).toBe('NoSuchKey');
  });

  test('checksums are kept and told when asked for', async () => {
    const value = Buffer.from(hash('sha256', 'hello'), 'hex').toString('base64');
    const stored = await put('/bucket/summed', 'hello', { 'x-amz-checksum-sha256': value });
    expect(stored.headers['x-amz-checksum-sha256']).toBe(value);
    expect((await get('/bucket/summed')).headers['x-amz-checksum-sha256']).toBeUndefined();
    const asked = await get('/bucket/summed', { 'x-amz-checksum-mode': 'ENABLED' });
    expect(asked.headers).toMatchObject({
      'x-amz-checksum-sha256': value,
      'x-amz-checksum-type': 'FULL_OBJECT',
    });
  });

  test('metadata beyond 2 KiB is refused', async () => {
    const answer = await put('/bucket/heavy', 'x', { 'x-amz-meta-a': 'v'.repeat(2048) });
    expect([answer.status, answer.code]).toEqual([400, 'MetadataTooLarge']);
  });

  test('both dialects see one object', async () => {
    await put('/bucket/shared', 'hello', { 'x-amz-meta-foo': 'bar' });
    const container = await world.objects.containers.open('AUTH_blue', 'bucket');
    const info = await world.objects.objects.head({ container, name: 'shared' });
    expect(info).toMatchObject({ size: 5, etag: md5('hello'), metadata: { foo: 'bar' } });
  });
});

describe('parts of an object', () => {
  beforeAll(() => put('/bucket/digits', '0123456789'));

  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=5-', '56789', 'bytes 5-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=8-100', '89', 'bytes 8-9/10'],
    ['bytes=-100', '0123456789', 'bytes 0-9/10'],
  ])('%s', async (range, text, contentRange) => {
    const answer = await get('/bucket/digits', { range });
    expect([answer.status, answer.text]).toEqual([206, text]);
    expect(answer.headers['content-range']).toBe(contentRange);
    expect(answer.headers['content-length']).toBe(String(text.length));
  });

  test.each(['bytes=5-2', 'lines=1-2', 'bytes=', 'bytes=a-b', 'bytes=0-1,3-4'])(
    '%s means the whole',
    async (range) => {
      const answer = await get('/bucket/digits', { range });
      expect([answer.status, answer.text]).toEqual([200, '0123456789']);
    },
  );

  test.each(['bytes=10-', 'bytes=10-20', 'bytes=-0'])('%s cannot be satisfied', async (range) => {
    const answer = await get('/bucket/digits', { range });
    expect([answer.status, answer.code]).toEqual([416, 'InvalidRange']);
    expect(answer.headers['content-range']).toBe('bytes */10');
    expect(texts(answer, 'ActualObjectSize')).toEqual(['10']);
  });

  test('a range across blobs', async () => {
    const body = Buffer.alloc(1_000_000, Buffer.from(Array.from({ length: 251 }, (_, at) => at)));
    await put('/bucket/blobs', body);
    const answer = await get('/bucket/blobs', { range: 'bytes=65000-200000' });
    expect(answer.body.equals(body.subarray(65_000, 200_001))).toBe(true);
  });

  test('headers may be overridden by who signs, not by who does not, nor split', async () => {
    const query = 'response-content-type=text%2Fodd&response-content-disposition=inline';
    const answer = await get(`/bucket/digits?${query}`);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/odd',
      'content-disposition': 'inline',
    });
    const split = await get('/bucket/digits?response-content-type=a%0d%0ab');
    expect(split.code).toBe('InvalidArgument');
  });
});

describe('conditions', () => {
  const etag = `"${md5('hello')}"`;
  beforeAll(() => put('/bucket/conditional', 'hello'));
  const past = 'Mon, 01 Jan 2001 00:00:00 GMT';
  const future = 'Mon, 01 Jan 2091 00:00:00 GMT';

  test.each([
    ['if-match', etag, 200],
    ['if-match', '"other", W/"more"', 412],
    ['if-none-match', etag, 304],
    ['if-none-match', '*', 304],
    ['if-none-match', '"other"', 200],
    ['if-modified-since', past, 200],
    ['if-modified-since', future, 304],
    ['if-unmodified-since', future, 200],
    ['if-unmodified-since', past, 412],
    ['if-unmodified-since', 'not a date', 200],
  ])('%s: %s → %i', async (header, value, status) => {
    for (const method of ['GET', 'HEAD']) {
      const answer = await call(method, '/bucket/conditional', { headers: { [header]: value } });
      expect(answer.status).toBe(status);
      if (status === 304) expect([answer.body.length, answer.headers.etag]).toEqual([0, etag]);
      if (status === 412 && method === 'GET') expect(answer.code).toBe('PreconditionFailed');
    }
  });

  test('ETags outweigh dates', async () => {
    const both = { 'if-match': etag, 'if-unmodified-since': past };
    expect((await get('/bucket/conditional', both)).status).toBe(200);
    const other = { 'if-none-match': '"other"', 'if-modified-since': future };
    expect((await get('/bucket/conditional', other)).status).toBe(200);
  });

  test('puts: only if new, only if unchanged', async () => {
    expect((await put('/bucket/once', 'a', { 'if-none-match': '*' })).status).toBe(200);
    const again = await put('/bucket/once', 'b', { 'if-none-match': '*' });
    expect([again.status, again.code]).toEqual([412, 'PreconditionFailed']);
    expect((await put('/bucket/once', 'c', { 'if-match': '"wrong"' })).status).toBe(412);
    expect((await put('/bucket/once', 'd', { 'if-match': `"${md5('a')}"` })).status).toBe(200);
    expect((await get('/bucket/once')).text).toBe('d');
    const nothing = await put('/bucket/not-there', 'x', { 'if-match': '"any"' });
    expect([nothing.status, nothing.code]).toEqual([404, 'NoSuchKey']);
  });

  test('of many that would create, one does', async () => {
    const tries = Array.from({ length: 10 }, (_, at) =>
      put('/bucket/race', `${at}`, { 'if-none-match': '*' }),
    );
    const statuses = (await Promise.all(tries)).map((answer) => answer.status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status !== 200)).toEqual(Array(9).fill(412));
  });

  test('deletes: only if unchanged', async () => {
    await put('/bucket/guarded', 'x');
    const remove = (value: string) =>
      call('DELETE', '/bucket/guarded', { headers: { 'if-match': value } });
    expect((await remove('"other"')).status).toBe(412);
    expect((await remove(`"${md5('x')}"`)).status).toBe(204);
    expect((await get('/bucket/guarded')).status).toBe(404);
  });
});

describe('copies', () => {
  beforeAll(async () => {
    await call('PUT', '/source-bucket');
    await put('/source-bucket/from%20me', 'copied', {
      'x-amz-meta-a': '1',
      'content-type': 'text/x',
    });
  });
  const copy = (target: string, source: string, headers: Record<string, string> = {}) =>
    call('PUT', target, { headers: { 'x-amz-copy-source': source, ...headers } });

  test('keep or replace what is told of the object', async () => {
    const kept = await copy('/bucket/copy-1', '/source-bucket/from%20me');
    expect(texts(kept, 'ETag')).toEqual([`&quot;${md5('copied')}&quot;`]);
    const got = await get('/bucket/copy-1');
    expect([got.text, got.headers['x-amz-meta-a'], got.headers['content-type']]).toEqual([
      'copied',
      '1',
      'text/x',
    ]);
    await copy('/bucket/copy-2', 'source-bucket%2Ffrom%20me', {
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-meta-b': '2',
    });
    const replaced = await get('/bucket/copy-2');
    expect([replaced.headers['x-amz-meta-a'], replaced.headers['x-amz-meta-b']]).toEqual([
      undefined,
      '2',
    ]);
  });

  test('onto itself only with new metadata', async () => {
    await put('/bucket/self', 'x');
    expect((await copy('/bucket/self', '/bucket/self')).code).toBe('InvalidRequest');
    const headers = { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-new': 'y' };
    expect((await copy('/bucket/self', '/bucket/self', headers)).status).toBe(200);
    const got = await get('/bucket/self');
    expect([got.text, got.headers['x-amz-meta-new']]).toEqual(['x', 'y']);
  });

  test('conditions on the source', async () => {
    const from = '/source-bucket/from%20me';
    const when = async (header: string, value: string) =>
      (await copy('/bucket/copy-3', from, { [`x-amz-copy-source-${header}`]: value })).status;
    expect(await when('if-match', `"${md5('copied')}"`)).toBe(200);
    expect(await when('if-match', '"other"')).toBe(412);
    expect(await when('if-none-match', `"${md5('copied')}"`)).toBe(412);
    expect(await when('if-modified-since', 'Mon, 01 Jan 2091 00:00:00 GMT')).toBe(412);
  });

  test('sources that are not there, or not said', async () => {
    expect((await copy('/bucket/c', '/source-bucket/nothing')).code).toBe('NoSuchKey');
    expect((await copy('/bucket/c', '/nowhere/nothing')).code).toBe('NoSuchBucket');
    expect((await copy('/bucket/c', 'justabucket')).code).toBe('InvalidArgument');
  });
});

describe('deletes', () => {
  test('what is not there can be deleted', async () => {
    expect((await call('DELETE', '/bucket/nothing')).status).toBe(204);
  });

  const remove = (inner: string) =>
    call('POST', '/bucket?delete', { body: `<Delete>${inner}</Delete>` });
  const object = (key: string) => `<Object><Key>${key}</Key></Object>`;

  test('many at once, with names that need escaping', async () => {
    const names = ['m/a', 'm/b &amp; c', 'm/ü'];
    for (const name of ['m/a', 'm/b%20%26%20c', 'm/%C3%BC']) await put(`/bucket/${name}`, 'x');
    const answer = await remove([...names, 'm/none'].map(object).join(''));
    expect(texts(answer, 'Key')).toEqual([...names, 'm/none']);
    expect(texts(await get('/bucket?prefix=m/'), 'Key')).toEqual([]);
  });

  test('quietly, and each with its own outcome', async () => {
    await put('/bucket/q/a', 'x');
    const long = 'k'.repeat(1025);
    const answer = await remove(`<Quiet>true</Quiet>${object('q/a')}${object(long)}`);
    expect(texts(answer, 'Code')).toEqual(['KeyTooLongError']);
    expect(answer.text).not.toContain('<Deleted>');
  });

  test('documents that are not right', async () => {
    expect((await remove('')).code).toBe('MalformedXML');
    expect((await remove(object('a').repeat(1001))).code).toBe('MalformedXML');
    const none = await call('POST', '/bucket?delete', { body: '' });
    expect(none.code).toBe('MissingRequestBodyError');
    expect((await remove('<Object></Object>')).code).toBe('MalformedXML');
    const huge = await remove(`<x>${'y'.repeat(5_000_000)}</x>`);
    expect(huge.code).toBe('MaxMessageLengthExceeded');
  });
});

test('attributes of an object', async () => {
  await put('/bucket/attributes', 'hello', { 'x-amz-checksum-crc32': 'NhCmhg==' });
  const ask = (value: string) =>
    get('/bucket/attributes?attributes', { 'x-amz-object-attributes': value });
  const answer = await ask('ETag,Checksum,ObjectSize,StorageClass,ObjectParts');
  expect(texts(answer, 'ETag')).toEqual([md5('hello')]);
  expect(texts(answer, 'ChecksumCRC32')).toEqual(['NhCmhg==']);
  expect(texts(answer, 'ObjectSize')).toEqual(['5']);
  expect((await ask('Nonsense')).code).toBe('InvalidArgument');
});

test('version ids: the only version is called null', async () => {
  await put('/bucket/versioned', 'x');
  expect((await get('/bucket/versioned?versionId=null')).text).toBe('x');
  expect((await get('/bucket/versioned?versionId=abc')).code).toBe('InvalidArgument');
  const unknown = '/bucket/versioned?versionId=0123456789abcdef0123456789abcdef';
  expect((await get(unknown)).code).toBe('NoSuchVersion');
  expect((await put('/bucket/versioned?partNumber=1', 'y')).code).toBe('InvalidArgument');
  expect((await get('/bucket/versioned')).text).toBe('x');
  expect((await get('/bucket/versioned?versionId=')).code).toBe('InvalidArgument');
});

test('presigned: a body bound by nothing but its signature', async () => {
  const sign = { presign: true };
  expect((await call('PUT', '/bucket/presigned', { ...sign, body: 'hello' })).status).toBe(200);
  const got = await call('GET', '/bucket/presigned', sign);
  expect(got.text).toBe('hello');
});

test('large objects of Swift are read whole', async () => {
  const container = await world.objects.containers.open('AUTH_blue', 'bucket');
  await put('/bucket/seg/1', 'first-');
  await put('/bucket/seg/2', 'second');
  await world.objects.objects.put({
    container,
    name: 'dlo',
    kind: 'dlo',
    body: Buffer.alloc(0),
    system: { 'x-object-manifest': 'bucket/seg/' },
  });
  const got = await get('/bucket/dlo');
  expect([got.text, got.headers['content-length']]).toEqual(['first-second', '12']);
  expect((await get('/bucket/dlo', { range: 'bytes=4-8' })).text).toBe('t-sec');
  const head = await call('HEAD', '/bucket/dlo');
  expect(head.headers.etag).toBe(`"${md5(md5('first-') + md5('second'))}-N"`);
});
