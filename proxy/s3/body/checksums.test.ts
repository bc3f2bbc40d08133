import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { UploadedPart } from '../../objects/index.ts';
import { readHead } from '../request-head.ts';
import { S3Failure } from '../s3-failure.ts';
import {
  type ChecksumAlgorithm,
  checksumAlgorithms,
  startChecksum,
} from './checksum-algorithms.ts';
import { CrcCombiner } from './crc-combine.ts';
import { declaredChecksum } from './declared-checksum.ts';
import { checksumPlan, combineParts } from './multipart-checksum.ts';

async function digestOf(algorithm: ChecksumAlgorithm, ...pieces: Buffer[]): Promise<Buffer> {
  const running = await startChecksum(algorithm);
  for (const piece of pieces) running.update(piece);
  return running.digest();
}

/** The check values of the CRC catalogue, and of FIPS 180-4's functions, for "123456789". */
test.each([
  ['crc32', 'cbf43926'],
  ['crc32c', 'e3069283'],
  ['crc64nvme', 'ae8b14860a799888'],
  ['sha1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
  ['sha256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
] as const)('%s of the check string', async (algorithm, hex) => {
  const pieces = ['1234', '5', '6789'].map((text) => Buffer.from(text));
  expect((await digestOf(algorithm, ...pieces)).toString('hex')).toBe(hex);
});

test('checksums that run at the same time do not mix', async () => {
  const one = await startChecksum('crc64nvme');
  const other = await startChecksum('crc64nvme');
  one.update(Buffer.from('1234'));
  other.update(Buffer.from('something else'));
  one.update(Buffer.from('56789'));
  expect(other.digest()).toEqual(await digestOf('crc64nvme', Buffer.from('something else')));
  expect(one.digest().toString('hex')).toBe('ae8b14860a799888');
});

test.each(['crc32', 'crc32c', 'crc64nvme'] as const)('%s combines', async (algorithm) => {
  const parts = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(parts, async (arrays) => {
      const buffers = arrays.map((array) => Buffer.from(array));
      const combiner = new CrcCombiner(algorithm);
      for (const buffer of buffers)
        combiner.append(await digestOf(algorithm, buffer), buffer.length);
      expect(combiner.digest()).toEqual(await digestOf(algorithm, Buffer.concat(buffers)));
    }),
    { numRuns: 60, seed: 3 },
  );
});

function partOf(number: number, checksums: Record<string, string>, size: number): UploadedPart {
  return { number, size, etag: `${number}`, modifiedUs: 0, checksums };
}

describe('objects made of parts', () => {
  const pieces = [Buffer.from('first'), Buffer.from('second')];

  async function partsWith(algorithm: ChecksumAlgorithm): Promise<UploadedPart[]> {
    const digests = await Promise.all(pieces.map((piece) => digestOf(algorithm, piece)));
    return digests.map((digest, at) =>
      partOf(at + 1, { [algorithm]: digest.toString('base64') }, pieces[at]?.length ?? 0),
    );
  }

  test('full-object checksums are those of the whole', async () => {
    for (const algorithm of ['crc32', 'crc32c', 'crc64nvme'] as const) {
      const plan = checksumPlan(algorithm, 'FULL_OBJECT');
      const whole = (await digestOf(algorithm, ...pieces)).toString('base64');
      const combined = combineParts(plan, await partsWith(algorithm), []);
      expect(combined).toEqual({ [algorithm]: whole, type: 'FULL_OBJECT' });
    }
  });

  test('composite checksums are those of the checksums', async () => {
    const digests = await Promise.all(pieces.map((piece) => digestOf('sha256', piece)));
    const whole = (await digestOf('sha256', ...digests)).toString('base64');
    const combined = combineParts(checksumPlan('sha256', undefined), await partsWith('sha256'), []);
    expect(combined).toEqual({ sha256: `${whole}-2`, type: 'COMPOSITE' });
  });

  test('a part told with another checksum is refused', async () => {
    const told = [{ number: 1, etag: '1', checksums: { crc32: 'AAAAAA==' } }];
    const parts = await partsWith('crc32');
    expect(() => combineParts(checksumPlan('crc32', undefined), parts, told)).toThrow(S3Failure);
  });

  test('plans that cannot be are refused', () => {
    expect(() => checksumPlan('sha1', 'FULL_OBJECT')).toThrow(S3Failure);
    expect(() => checksumPlan('crc64nvme', 'COMPOSITE')).toThrow(S3Failure);
    expect(() => checksumPlan('crc32', 'NONSENSE')).toThrow(S3Failure);
    expect(() => checksumPlan(undefined, 'COMPOSITE')).toThrow(S3Failure);
    expect(checksumPlan('crc64nvme', undefined)?.type).toBe('FULL_OBJECT');
  });
});

describe('what a request declares', () => {
  const declared = (headers: Readonly<Record<string, string>>, trailers = false) =>
    declaredChecksum(readHead('PUT', '/', Object.entries(headers).flat()), trailers);

  test('a value in a header, or a name whose value follows', () => {
    expect(declared({ 'x-amz-checksum-crc32': 'AAAAAA==' })).toEqual({
      algorithm: 'crc32',
      value: 'AAAAAA==',
    });
    expect(declared({ 'x-amz-trailer': 'x-amz-checksum-sha1' }, true)).toEqual({
      algorithm: 'sha1',
      value: undefined,
    });
    expect(declared({})).toBeUndefined();
  });

  test.each([
    ['two values', { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-crc32c': 'AAAAAA==' }],
    ['a value of the wrong length', { 'x-amz-checksum-sha256': 'AAAAAA==' }],
    ['a value that is not base64', { 'x-amz-checksum-crc32': '????????' }],
    ['a name without a value', { 'x-amz-sdk-checksum-algorithm': 'CRC32' }],
    ['an unknown name', { 'x-amz-sdk-checksum-algorithm': 'CRC16' }],
    ['a trailer in a body without trailers', { 'x-amz-trailer': 'x-amz-checksum-crc32' }],
  ])('%s is refused', (_, headers) => {
    expect(() => declared(headers)).toThrow(S3Failure);
  });

  test.each(checksumAlgorithms)('%s can be named in capitals', (algorithm) => {
    const headers = {
      'x-amz-sdk-checksum-algorithm': algorithm.toUpperCase(),
      'x-amz-trailer': `x-amz-checksum-${algorithm}`,
    };
    expect(declared(headers, true)?.algorithm).toBe(algorithm);
  });
});
