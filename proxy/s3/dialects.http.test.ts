/** The same objects seen by S3 and by Swift: what one writes the other reads, bytes and metadata alike. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redKey, type S3World, startS3World } from './testing/s3-world.ts';
import { type Answer, type Call, send, texts } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World({ proxy: { partBytesMin: 5 } });
  await s3('PUT', '/both');
});
afterAll(() => world.close());

const s3 = (method: string, path: string, more: Partial<Call> = {}): Promise<Answer> =>
  send(world, { method, path, ...more });

interface SwiftCall {
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly project?: string;
}

async function swift(
  method: string,
  path: string,
  { headers, body, project = 'blue' }: SwiftCall = {},
) {
  const answer = await fetch(`${world.swift}/AUTH_blue${path}`, {
    method,
    headers: { 'x-auth-token': `token-${project}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

const md5 = (text: string) => createHash('md5').update(text).digest('hex');

test('a bucket is a container, and both count what is in it', async () => {
  expect((await swift('PUT', '/by-swift')).status).toBe(201);
  expect(texts(await s3('GET', '/'), 'Name')).toEqual(['both', 'by-swift']);
  await s3('PUT', '/by-swift/a', { body: 'hello' });
  const head = await swift('HEAD', '/by-swift');
  expect(head.headers.get('x-container-object-count')).toBe('1');
  expect(head.headers.get('x-container-bytes-used')).toBe('5');
  await swift('DELETE', '/by-swift/a');
  expect((await s3('DELETE', '/by-swift')).status).toBe(204);
  expect((await swift('HEAD', '/by-swift')).status).toBe(404);
});

test('bytes, type, metadata and standard headers go both ways', async () => {
  await s3('PUT', '/both/from-s3', {
    body: 'one',
    headers: { 'content-type': 'text/x', 'x-amz-meta-colour': 'blue', 'content-encoding': 'gzip' },
  });
  const seen = await swift('HEAD', '/both/from-s3');
  expect(seen.headers.get('x-object-meta-colour')).toBe('blue');
  expect(seen.headers.get('content-type')).toBe('text/x');
  expect(seen.headers.get('content-encoding')).toBe('gzip');
  expect(seen.headers.get('etag')).toBe(md5('one'));
  await swift('PUT', '/both/from-swift', {
    body: 'two',
    headers: {
      'content-type': 'text/y',
      'x-object-meta-shape': 'round',
      'content-disposition': 'inline',
    },
  });
  const back = await s3('GET', '/both/from-swift');
  expect([back.text, back.headers['x-amz-meta-shape']]).toEqual(['two', 'round']);
  expect([back.headers['content-type'], back.headers['content-disposition']]).toEqual([
    'text/y',
    'inline',
  ]);
  await swift('POST', '/both/from-swift', { headers: { 'x-object-meta-shape': 'square' } });
  expect((await s3('HEAD', '/both/from-swift')).headers['x-amz-meta-shape']).toBe('square');
});

test('each overwrites, copies and deletes what the other made', async () => {
  await s3('PUT', '/both/o', { body: 'by s3' });
  await swift('PUT', '/both/o', { body: 'by swift' });
  expect((await s3('GET', '/both/o')).text).toBe('by swift');
  await s3('PUT', '/both/copy-s3', { headers: { 'x-amz-copy-source': '/both/o' } });
  await swift('COPY', '/both/o', { headers: { destination: 'both/copy-swift' } });
  expect((await swift('GET', '/both/copy-s3')).text).toBe('by swift');
  expect((await s3('GET', '/both/copy-swift')).text).toBe('by swift');
  await s3('DELETE', '/both/copy-swift');
  await swift('DELETE', '/both/copy-s3');
  expect((await swift('GET', '/both/copy-swift')).status).toBe(404);
  expect((await s3('GET', '/both/copy-s3')).status).toBe(404);
});

test('conditions of one see the writes of the other', async () => {
  const etag = (await s3('PUT', '/both/c', { body: '1' })).headers.etag ?? '';
  await swift('PUT', '/both/c', { body: '2' });
  const swap = await s3('PUT', '/both/c', { body: '3', headers: { 'if-match': etag } });
  expect(swap.code).toBe('PreconditionFailed');
  expect(
    (await swift('PUT', '/both/c', { body: '3', headers: { 'if-none-match': '*' } })).status,
  ).toBe(412);
  const right = { 'if-match': `"${md5('2')}"` };
  expect((await s3('PUT', '/both/c', { body: '3', headers: right })).status).toBe(200);
});

test('an upload in parts is an object to Swift; a static large object is one to S3', async () => {
  const upload = texts(await s3('POST', '/both/parts?uploads'), 'UploadId')[0];
  const bodies = ['first', 'second', 'end'];
  let list = '';
  for (const [at, body] of bodies.entries()) {
    const query = `partNumber=${at + 1}&uploadId=${upload}`;
    const { etag } = (await s3('PUT', `/both/parts?${query}`, { body })).headers;
    list += `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`;
  }
  const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
  await s3('POST', `/both/parts?uploadId=${upload}`, { body });
  expect((await swift('GET', '/both/parts')).text).toBe('firstsecondend');
  const range = await swift('GET', '/both/parts', { headers: { range: 'bytes=3-7' } });
  expect(range.text).toBe('stsec');
  const second = await swift('GET', '/both/parts?part-number=2');
  expect([second.status, second.text, second.headers.get('x-parts-count')]).toEqual([
    206,
    'second',
    '3',
  ]);
  for (const name of ['1', '2'])
    await swift('PUT', `/both/segment-${name}`, { body: `segment ${name},` });
  const manifest = JSON.stringify([{ path: '/both/segment-1' }, { path: '/both/segment-2' }]);
  await swift('PUT', '/both/large?multipart-manifest=put', { body: manifest });
  expect((await s3('GET', '/both/large')).text).toBe('segment 1,segment 2,');
  const part = await s3('GET', '/both/large', { headers: { range: 'bytes=8-11' } });
  expect(part.text).toBe('1,se');
  const numbered = await s3('GET', '/both/large?partNumber=2');
  expect([numbered.text, numbered.headers['x-amz-mp-parts-count']]).toEqual(['segment 2,', '2']);
  // Without a dash it would be taken for the MD5 of the bytes.
  const { etag = '' } = (await s3('HEAD', '/both/large')).headers;
  expect(etag).toBe(`"${md5(md5('segment 1,') + md5('segment 2,'))}-N"`);
  expect((await s3('GET', '/both?prefix=large')).text).toContain(etag.slice(1, -1));
  expect((await s3('HEAD', '/both/large', { headers: { 'if-none-match': etag } })).status).toBe(
    304,
  );
  const lost = { 'if-match': `"${md5('other')}-N"` };
  expect((await s3('DELETE', '/both/large', { headers: lost })).status).toBe(412);
  await s3('PUT', '/both/whole', { headers: { 'x-amz-copy-source': '/both/large' } });
  expect((await swift('GET', '/both/whole')).text).toBe('segment 1,segment 2,');
});

test('versions kept by one are kept for the other', async () => {
  await s3('PUT', '/kept');
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await s3('PUT', '/kept?versioning', { body });
  await s3('PUT', '/kept/o', { body: 'first' });
  await swift('PUT', '/kept/o', { body: 'second' });
  await swift('DELETE', '/kept/o');
  expect((await s3('GET', '/kept/o')).headers['x-amz-delete-marker']).toBe('true');
  const listed = await s3('GET', '/kept?versions');
  const ids = texts(listed, 'VersionId');
  expect(ids.length).toBe(3);
  expect((await s3('GET', `/kept/o?versionId=${ids[2]}`)).text).toBe('first');
  expect((await s3('GET', `/kept/o?versionId=${ids[1]}`)).text).toBe('second');
  expect((await swift('HEAD', '/kept')).headers.get('x-container-object-count')).toBe('0');
  expect((await swift('DELETE', '/kept')).status).toBe(409);
  await s3('DELETE', `/kept/o?versionId=${ids[0]}`);
  expect((await swift('GET', '/kept/o')).text).toBe('second');
});

test('what S3 encrypts Swift reads, but not what only the client can open', async () => {
  const headers = { 'x-amz-server-side-encryption': 'AES256' };
  await s3('PUT', '/both/secret', { body: 'a secret', headers });
  expect((await swift('GET', '/both/secret')).text).toBe('a secret');
  await swift('POST', '/both/secret', { headers: { 'x-object-meta-a': 'b' } });
  expect((await s3('GET', '/both/secret')).text).toBe('a secret');
  const key = Buffer.alloc(32, 1);
  const own = {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': key.toString('base64'),
    'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(key).digest('base64'),
  };
  await s3('PUT', '/both/closed', { body: 'a secret', headers: own });
  const closed = await swift('GET', '/both/closed');
  expect(closed.status).toBe(400);
  expect(closed.text).not.toContain('secret');
});

test('a lock holds whoever asks', async () => {
  await s3('PUT', '/locked', { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
  const put = await s3('PUT', '/locked/o', {
    body: 'x',
    headers: { 'x-amz-object-lock-legal-hold': 'ON' },
  });
  const id = put.headers['x-amz-version-id'];
  expect((await s3('DELETE', `/locked/o?versionId=${id}`)).code).toBe('AccessDenied');
  // A delete makes a marker; the version stays.
  await swift('DELETE', '/locked/o');
  await swift('POST', '/locked/o', { headers: { 'x-object-meta-a': 'b' } });
  expect(
    (await s3('GET', `/locked/o?versionId=${id}`)).headers['x-amz-object-lock-legal-hold'],
  ).toBe('ON');
  expect((await swift('DELETE', '/locked')).status).toBe(409);
});

test("Swift's lists count for S3's callers, and S3's for S3's alone", async () => {
  await swift('PUT', '/shared', { headers: { 'x-container-read': 'red:*' } });
  await swift('PUT', '/shared/o', { body: 'x' });
  expect((await s3('GET', '/shared/o', { key: redKey })).text).toBe('x');
  expect((await s3('PUT', '/shared/p', { key: redKey, body: 'x' })).code).toBe('AccessDenied');
  await swift('POST', '/shared', { headers: { 'x-container-read': '' } });
  expect((await s3('GET', '/shared/o', { key: redKey })).code).toBe('AccessDenied');
  await s3('PUT', '/both/open', { body: 'x', headers: { 'x-amz-acl': 'public-read' } });
  expect((await s3('GET', '/both/open', { anonymous: true })).text).toBe('x');
  // Swift has no lists for single objects.
  expect((await swift('GET', '/both/open', { project: 'red' })).status).toBe(403);
});

test("a container's quota holds for both", async () => {
  await swift('PUT', '/small', { headers: { 'x-container-meta-quota-bytes': '10' } });
  expect((await s3('PUT', '/small/a', { body: '12345678' })).status).toBe(200);
  const over = await s3('PUT', '/small/b', { body: '123' });
  expect([over.status, over.code]).toEqual([403, 'QuotaExceeded']);
  const copy = await s3('PUT', '/small/c', { headers: { 'x-amz-copy-source': '/small/a' } });
  expect(copy.code).toBe('QuotaExceeded');
  expect((await s3('PUT', '/small/b', { body: '12' })).status).toBe(200);
});
