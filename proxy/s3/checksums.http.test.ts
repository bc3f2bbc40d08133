/** The additional checksums: which one an object has, who made it, and what is said against a wrong one. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChecksumAlgorithm, startChecksum } from './body/checksum-algorithms.ts';
import { type S3World, startS3World } from './testing/s3-world.ts';
import { type Call, send, texts } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World({ proxy: { partBytesMin: 1 } });
  await call('PUT', '/sums');
});
afterAll(() => world.close());

const call = (method: string, path: string, rest: Partial<Call> = {}) =>
  send(world, { method, path, ...rest });

async function sumOf(algorithm: ChecksumAlgorithm, ...bodies: readonly string[]): Promise<string> {
  const running = await startChecksum(algorithm);
  for (const body of bodies) running.update(Buffer.from(body));
  return running.digest().toString('base64');
}

const crc = (body: string) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
};

const shown = async (key: string) =>
  (await call('HEAD', `/sums/${key}`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })).headers;

describe('without one', () => {
  test('an object gets a CRC64NVME, of parts that of the whole', async () => {
    const put = await call('PUT', '/sums/plain', { body: 'hello' });
    const sum = await sumOf('crc64nvme', 'hello');
    expect(put.headers['x-amz-checksum-crc64nvme']).toBe(sum);
    expect((await shown('plain'))['x-amz-checksum-type']).toBe('FULL_OBJECT');
    const upload = await begin('parted');
    const parts = await uploadAll('parted', upload, ['hel', 'lo', '!']);
    const done = await complete('parted', upload, parts);
    expect(texts(done, 'ChecksumCRC64NVME')).toEqual([await sumOf('crc64nvme', 'hello!')]);
    const headers = await shown('parted');
    expect(headers['x-amz-checksum-crc64nvme']).toBe(await sumOf('crc64nvme', 'hello!'));
  });

  test('or none, where the setting says so', async () => {
    const other = await startS3World({ s3: { defaultChecksum: 'none' } });
    try {
      await send(other, { method: 'PUT', path: '/sums' });
      const put = await send(other, { method: 'PUT', path: '/sums/plain', body: 'hello' });
      expect([put.status, put.headers['x-amz-checksum-crc64nvme']]).toEqual([200, undefined]);
    } finally {
      await other.close();
    }
  });
});

test.each([
  [
    'x-amz-checksum-crc32',
    '',
    'InvalidRequest',
    'Value for x-amz-checksum-crc32 header is invalid.',
  ],
  [
    'x-amz-checksum-sha1',
    'YXNr',
    'InvalidRequest',
    'Value for x-amz-checksum-sha1 header is invalid.',
  ],
  ['x-amz-checksum-md6', 'YXNr', 'InvalidRequest', /algorithm type you specified/],
  ['x-amz-sdk-checksum-algorithm', 'MD6', 'InvalidRequest', /x-amz-sdk-checksum-algorithm/],
  ['x-amz-sdk-checksum-algorithm', 'CRC32', 'InvalidRequest', /no corresponding/],
  ['x-amz-checksum-crc32', 'DUoRhQ==', 'BadDigest', /^The CRC32 you specified did not match/],
] as const)('a PUT with %s: %s', async (name, value, code, message) => {
  const answer = await call('PUT', '/sums/refused', { body: 'x', headers: { [name]: value } });
  expect([answer.status, answer.code]).toEqual([400, code]);
  expect(texts(answer, 'Message')[0]).toMatch(message);
  expect((await call('HEAD', '/sums/refused')).status).toBe(404);
});

async function begin(key: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await call('POST', `/sums/${key}?uploads`, { headers });
  return texts(answer, 'UploadId')[0] ?? answer.code ?? '';
}

const put = (key: string, upload: string, number: number, rest: Partial<Call>) =>
  call('PUT', `/sums/${key}?partNumber=${number}&uploadId=${upload}`, rest);

interface Told {
  readonly number: number;
  readonly etag: string;
  readonly sums?: string;
}

const complete = (
  key: string,
  upload: string,
  parts: readonly Told[],
  headers: Record<string, string> = {},
) =>
  call('POST', `/sums/${key}?uploadId=${upload}`, {
    headers,
    body: `<CompleteMultipartUpload>${parts
      .map(
        ({ number, etag, sums = '' }) =>
          `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag>${sums}</Part>`,
      )
      .join('')}</CompleteMultipartUpload>`,
  });

async function uploadAll(
  key: string,
  upload: string,
  bodies: readonly string[],
  isSummed = false,
): Promise<readonly Told[]> {
  return await Promise.all(
    bodies.map(async (body, at): Promise<Told> => {
      const headers: Record<string, string> = isSummed ? { 'x-amz-checksum-crc32': crc(body) } : {};
      const answer = await put(key, upload, at + 1, { body, headers });
      expect(answer.status).toBe(200);
      const sums = isSummed ? `<ChecksumCRC32>${crc(body)}</ChecksumCRC32>` : '';
      return { number: at + 1, etag: hash('md5', body), sums };
    }),
  );
}

describe('uploads', () => {
  test.each([
    [{ 'x-amz-checksum-algorithm': 'MD6' }, 'InvalidRequest'],
    [{ 'x-amz-checksum-type': 'HALF' }, 'InvalidRequest'],
    [{ 'x-amz-checksum-type': 'COMPOSITE' }, 'InvalidRequest'],
    [
      { 'x-amz-checksum-algorithm': 'SHA1', 'x-amz-checksum-type': 'FULL_OBJECT' },
      'InvalidRequest',
    ],
    [
      { 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'COMPOSITE' },
      'InvalidRequest',
    ],
    [{ 'x-amz-checksum-algorithm': 'crc32c', 'x-amz-checksum-type': 'full_object' }, /^[\w-]{20,}/],
  ])('begun with %j', async (headers, outcome) => {
    expect(await begin('begun', headers as Record<string, string>)).toMatch(outcome);
  });

  test('parts come with the checksum that the upload was begun with, or get it', async () => {
    const sha = await begin('sha', { 'x-amz-checksum-algorithm': 'SHA1' });
    const none = await put('sha', sha, 1, { body: 'x' });
    expect([none.code, texts(none, 'Message')[0]]).toEqual([
      'InvalidRequest',
      'Checksum Type mismatch occurred, expected checksum Type: sha1, actual checksum Type: null',
    ]);
    const other = await put('sha', sha, 1, {
      ...{ body: 'x', headers: { 'x-amz-checksum-crc32': crc('x') } },
    });
    expect(other.code).toBe('InvalidRequest');
    const full = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' };
    const upload = await begin('full', full);
    const made = await put('full', upload, 1, { body: 'x' });
    expect(made.headers['x-amz-checksum-crc32']).toBe(crc('x'));
  });

  test('what a completion claims wrongly is refused, and the upload goes on', async () => {
    const full = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' };
    const upload = await begin('claims', full);
    const parts = await uploadAll('claims', upload, ['one', 'two'], true);
    const [first, second] = parts;
    if (first === undefined || second === undefined) throw new Error('no parts');
    const sums = (text: string) => [{ ...first, sums: text }, second];
    const sha = `<ChecksumSHA1>${Buffer.alloc(20).toString('base64')}</ChecksumSHA1>`;
    const sum = 'x-amz-checksum-crc32';
    const attempts: [readonly Told[], Record<string, string>, string, RegExp][] = [
      [parts, { 'x-amz-checksum-type': 'HALF' }, 'InvalidRequest', /x-amz-checksum-type header/],
      [parts, { 'x-amz-checksum-type': 'COMPOSITE' }, 'InvalidRequest', /using the FULL_OBJECT/],
      [parts, { [sum]: 'nonsense' }, 'InvalidRequest', /x-amz-checksum-crc32 header is invalid/],
      [parts, { [sum]: crc('one') }, 'BadDigest', /^The CRC32 you specified/],
      [parts, { [sum]: crc('x'), 'x-amz-checksum-crc32c': crc('x') }, 'InvalidRequest', /single/],
      [parts, { 'x-amz-mp-object-size': '7' }, 'InvalidRequest', /value 7 does not .*: 6$/],
      [parts, { 'x-amz-mp-object-size': '-7' }, 'InvalidRequest', /less than zero/],
      [sums('<ChecksumCRC32>?</ChecksumCRC32>'), {}, 'InvalidArgument', /^Invalid Base64/],
      [sums(`${first.sums}${sha}`), {}, 'InvalidArgument', /multiple checksums/],
      [sums(sha), {}, 'BadDigest', /^The sha1 you specified for part 1/],
      [sums(second.sums ?? ''), {}, 'InvalidPart', /parts could not be found/],
      [[{ ...first, number: 0 }, second], {}, 'InvalidArgument', /^PartNumber must be/],
    ];
    for (const [told, headers, code, message] of attempts) {
      const answer = await complete('claims', upload, told, headers);
      expect([answer.code, texts(answer, 'Message')[0]]).toEqual([
        code,
        expect.stringMatching(message),
      ]);
    }
    const right = { [sum]: crc('onetwo'), 'x-amz-mp-object-size': '6' };
    const done = await complete('claims', upload, parts, right);
    expect([done.status, texts(done, 'ChecksumCRC32')]).toEqual([200, [crc('onetwo')]]);
  });

  test('a composite needs each part told', async () => {
    const upload = await begin('composite', { 'x-amz-checksum-algorithm': 'CRC32' });
    const parts = await uploadAll('composite', upload, ['one', 'two'], true);
    const bare = parts.map(({ number, etag }) => ({ number, etag }));
    const missing = await complete('composite', upload, bare);
    expect(texts(missing, 'Message')[0]).toMatch(/missing for part 1/);
    const done = await complete('composite', upload, parts);
    expect(texts(done, 'ChecksumCRC32')[0]).toMatch(/-2$/);
  });
});
