import fc from 'fast-check';
import { expect, test } from 'vitest';
import { S3Failure } from '../s3-failure.ts';
import { parseAuthorization, parsePresigned } from './credential.ts';

const scope = 'KEY/20260101/r/s3/aws4_request';
const good = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host;x-amz-date, Signature=${'a'.repeat(64)}`;

test('reads a header with and without spaces behind its commas', () => {
  const claim = parseAuthorization(good);
  expect(claim.credential).toEqual({
    accessKey: 'KEY',
    date: '20260101',
    region: 'r',
    service: 's3',
  });
  expect(claim.signedHeaders).toEqual(['host', 'x-amz-date']);
  expect(parseAuthorization(good.replaceAll(', ', ','))).toEqual(claim);
});

test.each([
  ['no signature', good.replace(/, Signature.*/, '')],
  ['a short signature', good.slice(0, -1)],
  ['an upper-case signature', good.replace('aaaa', 'AAAA')],
  ['another service', good.replace('/s3/', '/ec2/')],
  ['another ending', good.replace('aws4_request', 'aws5_request')],
  ['a scope too long', good.replace('/r/', '/r/x/')],
  ['no host', good.replace('host;', '')],
  ['a field twice', `${good}, Signature=${'b'.repeat(64)}`],
])('refuses %s', (_, header) => {
  expect(() => parseAuthorization(header)).toThrow(S3Failure);
});

test('whatever is thrown at it, it answers or refuses', () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom('Credential=', 'SignedHeaders=', 'Signature=', ',', ', ', ';', scope, 'host'),
    fc.constant('a'.repeat(64)),
  );
  const header = fc
    .array(piece, { maxLength: 12 })
    .map((all) => `AWS4-HMAC-SHA256 ${all.join('')}`);
  fc.assert(
    fc.property(header, (text) => {
      try {
        const claim = parseAuthorization(text);
        expect(claim.signature).toMatch(/^[0-9a-f]{64}$/);
        expect(claim.signedHeaders).toContain('host');
      } catch (error) {
        expect(error).toBeInstanceOf(S3Failure);
      }
    }),
    { numRuns: 2000, seed: 5 },
  );
});

test('presigned parameters in any state are read or refused', () => {
  const value = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom('AWS4-HMAC-SHA256', scope, 'host', '20260101T000000Z', '600', '-1', '1e3'),
    fc.constant('a'.repeat(64)),
  );
  const names = ['Algorithm', 'Credential', 'Signature', 'Date', 'SignedHeaders', 'Expires'];
  const query = fc
    .tuple(...names.map(() => fc.option(value, { nil: undefined, freq: 20 })))
    .map((values) => {
      const entries = names.flatMap((name, at): [string, string][] => {
        const one = values[at];
        return one === undefined ? [] : [[`X-Amz-${name}`, one]];
      });
      return new Map(entries);
    });
  fc.assert(
    fc.property(query, (parameters) => {
      try {
        expect(parsePresigned(parameters).expiresS).toBeGreaterThanOrEqual(0);
      } catch (error) {
        expect(error).toBeInstanceOf(S3Failure);
      }
    }),
    { numRuns: 2000, seed: 6 },
  );
});
