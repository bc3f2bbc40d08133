import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeToken, encodeToken } from './continuation-token.ts';
import { routes } from './routes.ts';
import { S3Failure } from './s3-failure.ts';
import { type S3World, startS3World } from './testing/s3-world.ts';
import { type RawCall, send, sendRaw, signCall } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World();
  await send(world, { method: 'PUT', path: '/bucket' });
});
afterAll(() => world.close());

describe('the route table', () => {
  test('tells every operation apart', () => {
    const keys = routes.map(
      ({ method, on, query, header }) => `${method} ${on} ${query} ${header}`,
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('hides nothing behind a route without query or header', () => {
    for (const [at, route] of routes.entries()) {
      if (route.query !== undefined || route.header !== undefined) continue;
      const later = routes.slice(at + 1).filter((other) => other.on === route.on);
      const hidden = later.filter((other) => other.method === route.method);
      expect(
        hidden.map((other) => other.operation),
        `behind ${route.operation}`,
      ).toEqual([]);
    }
  });

  test('says of what it does not serve that it does not', () => {
    const unserved = routes.filter((route) => route.run === undefined);
    expect(unserved.map((route) => route.operation).sort()).toEqual([
      'CreateBucketMetadataConfiguration',
      'CreateBucketMetadataTableConfiguration',
      'CreateSession',
      'DeleteBucketMetadataConfiguration',
      'DeleteBucketMetadataTableConfiguration',
      'DeleteObjectAnnotation',
      'GetBucketAbac',
      'GetBucketMetadataConfiguration',
      'GetBucketMetadataTableConfiguration',
      'GetObjectAnnotation',
      'GetObjectTorrent',
      'ListObjectAnnotations',
      'PutBucketAbac',
      'PutBucketAnalyticsConfiguration',
      'PutBucketIntelligentTieringConfiguration',
      'PutBucketMetricsConfiguration',
      'PutBucketReplication',
      'PutObjectAnnotation',
      'RenameObject',
      'SelectObjectContent',
      'UpdateBucketMetadataInventoryTableConfiguration',
      'UpdateBucketMetadataJournalTableConfiguration',
      'UpdateObjectEncryption',
    ]);
  });
});

describe('continuation tokens', () => {
  test('come back as they were', () => {
    const position = fc.record({ after: fc.string({ unit: 'grapheme' }), collapsed: fc.boolean() });
    fc.assert(
      fc.property(position, (one) => {
        expect(decodeToken(encodeToken(one))).toEqual(one);
      }),
      { seed: 41 },
    );
  });

  test('that are not ours are refused', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (text) => {
        try {
          expect(encodeToken(decodeToken(text))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(S3Failure);
        }
      }),
      { seed: 42, numRuns: 1000 },
    );
  });
});

const words = [
  ...['bucket', 'key', 'acl', 'uploads', 'uploadId', 'partNumber', 'list-type=2', 'max-keys=3'],
  ...['%ff', '%00', '%2F', '%zz', '..', '//', '?', '&', '=', '+', '/', 'delete', 'versionId=null'],
  ...['X-Amz-Signature=1', 'X-Amz-Algorithm=AWS4-HMAC-SHA256', 'Signature=x&AWSAccessKeyId=y'],
];
const headerNames = [
  ...[
    'authorization',
    'range',
    'if-match',
    'x-amz-copy-source',
    'x-amz-date',
    'date',
    'content-md5',
  ],
  ...['x-amz-content-sha256', 'x-amz-decoded-content-length', 'x-amz-meta-a', 'if-none-match'],
  ...[
    'x-amz-trailer',
    'x-amz-checksum-crc32',
    'x-amz-copy-source-range',
    'x-amz-object-attributes',
  ],
];
const values = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom('*', '0', '-1', 'bytes=0-', '/bucket/key', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'),
);
interface Asked {
  readonly method: string;
  readonly path: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signed: boolean;
}

const requests: fc.Arbitrary<Asked> = fc.record({
  method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'),
  path: fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 5 })), {
    maxLength: 6,
  }),
  headers: fc.dictionary(fc.constantFrom(...headerNames), values, { maxKeys: 4 }),
  body: fc.oneof(fc.constant(''), fc.string({ maxLength: 30 }), fc.constant('<Delete></Delete>')),
  signed: fc.boolean(),
});

/** As a request that HTTP itself lets through. */
function lawful({ method, path, headers, body, signed }: Asked): RawCall {
  const url = `/${path.join('')}`.replace(/[^\x21-\x7e]|[#\\]/g, '_');
  const plain = Object.entries(headers).map(([name, value]) => [
    name,
    value.replace(/[^\x20-\x7e]/g, '_'),
  ]);
  const call = { method, path: url, headers: Object.fromEntries(plain), body };
  const length = { 'content-length': String(Buffer.byteLength(body)) };
  if (!signed) return { ...call, headers: { ...call.headers, ...length } };
  try {
    const done = signCall(world, call);
    return { ...call, headers: { ...done.headers, ...length } };
  } catch (error) {
    // The signer refuses paths that are not well encoded and dates that are none; they go unsigned.
    if (!(error instanceof URIError || error instanceof RangeError)) throw error;
    return { ...call, headers: { ...call.headers, ...length } };
  }
}

test('whatever is asked, signed or not, is answered, and never with a fault of ours', async () => {
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const answer = await sendRaw(world, lawful(request));
      expect(answer.status).toBeGreaterThanOrEqual(200);
      expect([500, 503]).not.toContain(answer.status);
      expect(answer.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/);
    }),
    { numRuns: 1000, seed: 31 },
  );
});
