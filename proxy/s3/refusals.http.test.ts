/** What is refused, in the words that S3 has for it: codes, statuses, sentences and details that clients and people go by. */
import * as net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exchangeRaw } from '../testing/raw-http.ts';
import { redKey, type S3World, startS3World } from './testing/s3-world.ts';
import { type Answer, type Call, send, sendRaw, signCall, texts } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World();
  await call('PUT', '/words');
  await call('PUT', '/words/o', { body: 'abc' });
});
afterAll(() => world.close());

const call = (method: string, path: string, rest: Partial<Call> = {}) =>
  send(world, { method, path, ...rest });

const plain = (text: string) =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');

/** Status, code and sentence. */
const said = (answer: Answer) => [
  answer.status,
  answer.code,
  plain(texts(answer, 'Message')[0] ?? ''),
];

const detail = (answer: Answer, name: string) => texts(answer, name)[0];

describe('requests that mean something else', () => {
  const copySource = { 'x-amz-copy-source': '/words/o' };
  test.each([
    ['GET', '/words/o?uploads', {}, 400, 'InvalidRequest'],
    ['GET', '/words/o?versions', {}, 400, 'InvalidRequest'],
    ['PUT', '/words/o?partNumber=1', {}, 400, 'InvalidArgument'],
    ['PUT', '/words/o?uploadId=x', {}, 405, 'MethodNotAllowed'],
    ['POST', '/words/o', {}, 405, 'MethodNotAllowed'],
    ['PUT', '/', {}, 405, 'MethodNotAllowed'],
    ['PATCH', '/words/o', {}, 405, 'MethodNotAllowed'],
    ['GET', '/words/o', copySource, 400, 'InvalidArgument'],
    ['DELETE', '/words', copySource, 400, 'InvalidArgument'],
    ['POST', '/words/o?uploadId=x', copySource, 400, 'InvalidArgument'],
  ] as const)('%s %s %j: %i %s', async (method, path, headers, status, code) => {
    const answer = await call(method, path, { headers });
    expect([answer.status, answer.code]).toEqual([status, code]);
    if (status === 405) {
      expect(answer.headers.allow).toMatch(/[A-Z]/);
      expect(detail(answer, 'Method')).toBe(method);
    }
    expect((await call('GET', '/words/o')).text).toBe('abc');
  });

  test('a form to the root that is none', async () => {
    const answer = await call('POST', '/', { anonymous: true, headers: { 'content-length': '0' } });
    expect([answer.status, answer.code, detail(answer, 'ResourceType')]).toEqual([
      ...[405, 'MethodNotAllowed', 'SERVICE'],
    ]);
  });

  test('a method that HTTP does not know, and what is no HTTP, are told so in XML', async () => {
    const brew = await exchangeRaw(world.port, ['BREW /words/o HTTP/1.1\r\nHost: x\r\n\r\n']);
    expect(brew).toMatch(/^HTTP\/1\.1 405 .*<Code>MethodNotAllowed<\/Code>/s);
    expect(brew).toMatch(/x-amz-request-id: [0-9A-F]{16}/);
    const noise = await exchangeRaw(world.port, ['\x16\x03\x01 garbage\r\n\r\n']);
    expect(noise).toMatch(/^HTTP\/1\.1 400 .*<Code>BadRequest<\/Code>/s);
  });
});

describe('signatures', () => {
  const malformed = 'AuthorizationHeaderMalformed';
  const begins = 'The authorization header is malformed; ';
  const form = '<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request';
  test.each([
    [/^.*$/, 'nonsense', 'InvalidArgument', /^Authorization header is invalid -- one and only one/],
    [/^.*$/, 'Bearer abc', 'InvalidArgument', /^Unsupported Authorization Type$/],
    [
      /Credential=[^,]*/,
      'Credential=a/b',
      malformed,
      `the Credential is mal-formed; expecting "${form}".`,
    ],
    [
      'aws4_request',
      'aws4',
      malformed,
      'incorrect terminal "aws4". This endpoint uses "aws4_request".',
    ],
    ['/s3/', '/ec2/', malformed, 'incorrect service "ec2". This endpoint belongs to "s3".'],
    [/\/20\d{6}\//, '/2030/', malformed, /incorrect date format "2030"/],
    [/\/20\d{6}\//, '/20300101/', malformed, /Date is not the same as X-Amz-Date/],
    [/, SignedHeaders=[^,]*/, '', malformed, /requires three components/],
    ['SignedHeaders=', 'Headers=', malformed, 'missing SignedHeaders.'],
    [
      /, Signature=.*/,
      ', Signature',
      malformed,
      'the authorization component "Signature" is malformed.',
    ],
  ] as const)('header %s as %j: %s', async (from, to, code, message) => {
    const { headers = {}, path = '' } = signCall(world, { path: '/words/o' });
    const authorization = String(
      Object.entries(headers).find(([name]) => name === 'Authorization')?.[1],
    ).replace(from, to);
    const answer = await sendRaw(world, {
      ...{ method: 'GET', path, headers: { ...headers, Authorization: authorization } },
    });
    const [status, found, sentence] = said(answer);
    expect([status, found]).toEqual([400, code]);
    if (typeof message === 'string') expect(sentence).toBe(begins + message);
    else expect(sentence).toMatch(message);
  });

  const query = 'AuthorizationQueryParametersError';
  test.each([
    [/X-Amz-Credential=[^%]*%2F/, 'X-Amz-Credential=', /X-Amz-Credential parameter; .* mal-formed/],
    [/X-Amz-Expires=\d+/, 'X-Amz-Expires=soon', /^X-Amz-Expires should be a number$/],
    [/X-Amz-Expires=\d+/, 'X-Amz-Expires=-1', /^X-Amz-Expires must be non-negative$/],
    [/X-Amz-Expires=\d+/, 'X-Amz-Expires=604801', /^X-Amz-Expires must be less than a week/],
    [/X-Amz-Date=[^&]*/, 'X-Amz-Date=today', /ISO8601 Long Format/],
    [/X-Amz-SignedHeaders=[^&]*/, '', /^Query-string authentication version 4 requires/],
  ] as const)('presigned %s as %j', async (from, to, message) => {
    const signed = signCall(world, { path: '/words/o?X-Amz-Expires=60', presign: true });
    const path = (signed.path ?? '').replace(from, to);
    const answer = await call('GET', path, { anonymous: true });
    const [status, code, sentence] = said(answer);
    expect([status, code]).toEqual([400, query]);
    expect(sentence).toMatch(message);
  });
});

describe('details', () => {
  test('of what is missing, taken, or not empty', async () => {
    expect(detail(await call('GET', '/nowhere'), 'BucketName')).toBe('nowhere');
    expect(detail(await call('GET', '/words/nothing'), 'Key')).toBe('nothing');
    const upload = await call('DELETE', '/words/o?uploadId=0123456789abcdef0123456789abcdef');
    expect([upload.code, detail(upload, 'UploadId')?.length]).toEqual(['NoSuchUpload', 32]);
    const full = await call('DELETE', '/words');
    expect([...said(full), detail(full, 'BucketName')]).toEqual([
      ...[409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty', 'words'],
    ]);
    const own = await call('PUT', '/words');
    expect(said(own).slice(0, 2)).toEqual([409, 'BucketAlreadyOwnedByYou']);
    const others = await call('PUT', '/words', { key: redKey });
    expect(said(others).slice(0, 2)).toEqual([409, 'BucketAlreadyExists']);
  });

  test('of conditions and ranges', async () => {
    const long = 'Sat, 01 Jan 2000 00:00:00 GMT';
    for (const [name, value] of [
      ['If-Match', '"x"'],
      ['If-Unmodified-Since', long],
    ] as const) {
      const answer = await call('GET', '/words/o', { headers: { [name]: value } });
      expect([...said(answer), detail(answer, 'Condition')]).toEqual([
        ...[412, 'PreconditionFailed'],
        ...['At least one of the pre-conditions you specified did not hold', name],
      ]);
    }
    const range = await call('GET', '/words/o', { headers: { range: 'bytes=10-20' } });
    expect([range.status, range.code, detail(range, 'ActualObjectSize')]).toEqual([
      ...[416, 'InvalidRange', '3'],
    ]);
  });

  test('of bodies that are not what was said', async () => {
    const md5 = (value: string) =>
      call('PUT', '/words/bad', { body: 'x', headers: { 'content-md5': value } });
    const invalid = await md5('abc');
    expect([invalid.code, detail(invalid, 'Content-MD5')]).toEqual(['InvalidDigest', 'abc']);
    const wrong = await md5(Buffer.alloc(16).toString('base64'));
    expect([wrong.code, detail(wrong, 'ExpectedDigest')]).toEqual(['BadDigest', '0'.repeat(32)]);
    expect((await call('HEAD', '/words/bad')).status).toBe(404);
  });
});

test('an answer to somebody who still sends arrives', async () => {
  const body = `<Delete>${' '.repeat(12_000_000)}</Delete>`;
  for (const path of ['/words?delete', '/words?policy', '/words?tagging']) {
    const method = path.endsWith('delete') ? 'POST' : 'PUT';
    const answer = await call(method, path, { body });
    expect([answer.status, answer.code]).toEqual([400, 'MaxMessageLengthExceeded']);
  }
});

test('listings tell which checksum there is', async () => {
  await call('PUT', '/words/summed', {
    ...{ body: 'abc', headers: { 'x-amz-checksum-sha1': 'qZk+NkcGgWq6PiVxeFDCbJzQ2J0=' } },
  });
  for (const path of ['/words?list-type=2&prefix=summed', '/words?versions&prefix=summed'])
    expect(texts(await call('GET', path), 'ChecksumAlgorithm')).toEqual(['SHA1']);
});

test('who comes while too many are served is told when to come again', async () => {
  const busy = await startS3World({ proxy: { requestsInFlightMax: 1 } });
  try {
    const { port } = busy;
    await send(busy, { method: 'PUT', path: '/busy' });
    // One that is let in and does not go on: its body never comes.
    const slow = net.connect(port, '127.0.0.1');
    const { path = '', headers } = signCall(busy, {
      method: 'PUT',
      path: '/busy?policy',
      body: '{}',
    });
    const lines = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
    slow.write(`PUT ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    await expect
      .poll(async () => (await send(busy, { path: '/' })).status, { timeout: 10_000 })
      .toBe(503);
    const answer = await send(busy, { path: '/' });
    expect([answer.status, answer.code]).toEqual([503, 'SlowDown']);
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    const head = await send(busy, { method: 'HEAD', path: '/b/o' });
    expect([head.status, head.text, head.headers['retry-after']]).toEqual([503, '', '1']);
    slow.destroy();
  } finally {
    await busy.close();
  }
});
