import { createHmac, hash } from 'node:crypto';
import aws4 from 'aws4';
import { describe, expect, test } from 'vitest';
import { isFailure, seededRandom, VirtualClock } from '#common';
import { parseQuery } from '../query.ts';
import { type RequestHead, readHead } from '../request-head.ts';
import { blueKey, testAuthenticator } from '../testing/s3-world.ts';
import { type AuthenticateOptions, authenticate } from './authenticate.ts';
import { canonicalQuery, canonicalRequest } from './canonical-request.ts';
import { parseAmzDate } from './request-time.ts';
import { deriveSigningKey, SigningKey, SigningKeys } from './signing-key.ts';
import { canonicalizePath, uriEncode } from './uri-encode.ts';

/** The requests of the S3 reference's page on signing, with the key pair that it uses. */
const exampleSecret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const emptyHash = hash('sha256', '');

interface Vector {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly payloadHash: string;
  readonly signature: string;
}

const exampleHost = ['Host', 'examplebucket.s3.amazonaws.com'];
const vectors: readonly Vector[] = [
  {
    name: 'GET Object with a range',
    method: 'GET',
    url: '/test.txt',
    headers: [
      ...exampleHost,
      ...['Range', 'bytes=0-9'],
      ...['x-amz-content-sha256', emptyHash],
      ...['x-amz-date', '20130524T000000Z'],
    ],
    payloadHash: emptyHash,
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'PUT Object with a dollar in its name',
    method: 'PUT',
    url: '/test$file.text',
    headers: [
      ...['Date', 'Fri, 24 May 2013 00:00:00 GMT'],
      ...exampleHost,
      ...[
        'x-amz-content-sha256',
        '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      ],
      ...['x-amz-date', '20130524T000000Z'],
      ...['x-amz-storage-class', 'REDUCED_REDUNDANCY'],
    ],
    payloadHash: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'GET Bucket lifecycle',
    method: 'GET',
    url: '/?lifecycle',
    headers: [
      ...exampleHost,
      ...['x-amz-content-sha256', emptyHash],
      ...['x-amz-date', '20130524T000000Z'],
    ],
    payloadHash: emptyHash,
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    name: 'GET Bucket (list objects)',
    method: 'GET',
    url: '/?max-keys=2&prefix=J',
    headers: [
      ...exampleHost,
      ...['x-amz-content-sha256', emptyHash],
      ...['x-amz-date', '20130524T000000Z'],
    ],
    payloadHash: emptyHash,
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
  {
    name: 'a presigned GET',
    method: 'GET',
    url: '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host',
    headers: exampleHost,
    payloadHash: 'UNSIGNED-PAYLOAD',
    signature: 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  },
];

describe('the published examples', () => {
  test.each(vectors)('$name', ({ method, url, headers, payloadHash, signature }) => {
    const head = readHead(method, url, headers);
    const signedHeaders = [...head.headers.keys()].sort();
    const canonical = canonicalRequest(head, { signedHeaders, payloadHash });
    const scope = '20130524/us-east-1/s3/aws4_request';
    const text = `AWS4-HMAC-SHA256\n20130524T000000Z\n${scope}\n${hash('sha256', canonical)}`;
    expect(
      deriveSigningKey(exampleSecret, {
        date: '20130524',
        region: 'us-east-1',
        service: 's3',
      }).sign(text),
    ).toBe(signature);
  });
});

const nowMs = Date.parse('2026-03-04T05:06:07Z');
const options = (): AuthenticateOptions => ({
  authenticator: testAuthenticator,
  clock: new VirtualClock(nowMs * 1000),
  keys: new SigningKeys(10),
  clockSkewMaxS: 900,
  region: '',
  baseDomains: [],
});

function prove(head: RequestHead, changes: Partial<AuthenticateOptions> = {}) {
  return authenticate(head, parseQuery(head.query), { ...options(), ...changes });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'accepted';
  } catch (error) {
    return isFailure(error) && 's3Code' in error ? String(error.s3Code) : `not a failure: ${error}`;
  }
}

const credentials = { accessKeyId: blueKey.accessKey, secretAccessKey: blueKey.secret };
const amzDate = '20260304T050607Z';

interface Draft {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly presign?: boolean;
}

/** Signs with `aws4` and reads the result as our server would. */
function signedHead(draft: Draft, region = 'us-east-1'): RequestHead {
  const { method, path, presign } = draft;
  const dated = presign === true ? {} : { 'X-Amz-Date': amzDate };
  const query = presign === true ? `X-Amz-Date=${amzDate}&X-Amz-Expires=600` : '';
  const joined = query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`;
  const signed = aws4.sign(
    {
      ...{ host: 'h.example', service: 's3', region, method, path: joined },
      headers: { ...dated, ...draft.headers },
      signQuery: presign === true,
    },
    credentials,
  );
  const pairs = Object.entries(signed.headers ?? {}).flatMap(([name, value]) => [
    name,
    String(value),
  ]);
  return readHead(method, signed.path ?? '', pairs);
}

const pieces = ['a', 'Z9', ' ', '+', '%', '~', '/', '//', '..', '.', 'ü', '😀', '&', '=', '?', '#'];
const more = ['(', ')', '!', '*', "'", ':', '@', ';', ',', '$', '"', '<', '\\', '\u0001', '日本'];

describe('requests that another implementation signed', () => {
  test('hundreds of odd names, queries and header values are accepted', async () => {
    const random = seededRandom(42);
    const all = [...pieces, ...more];
    const word = (): string =>
      Array.from({ length: 1 + random.below(8) }, () => all[random.below(all.length)] ?? '').join(
        '',
      );
    for (let round = 0; round < 600; round++) {
      const key = uriEncode(word(), random.below(2) === 0);
      const parameters = Array.from(
        { length: random.below(4) },
        (_, at) => `p${at}${random.below(10)}=${uriEncode(word(), false)}`,
      );
      const presign = random.below(3) === 0;
      const draft: Draft = {
        method: random.below(2) === 0 ? 'GET' : 'PUT',
        path: `/bucket/${key}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`,
        headers: { 'x-amz-meta-spaced': `  two   spaces ${round} ` },
        presign,
      };
      const outcome = await codeOf(prove(signedHead(draft)));
      expect(outcome, JSON.stringify(draft)).toBe('accepted');
    }
  });

  test('a changed byte anywhere is refused', async () => {
    const head = signedHead({
      method: 'PUT',
      path: '/bucket/key?partNumber=1',
      headers: { 'x-amz-meta-a': 'b' },
    });
    const changed: readonly RequestHead[] = [
      { ...head, method: 'GET' },
      { ...head, path: '/bucket/kex' },
      { ...head, path: '/bucket//key' },
      { ...head, query: 'partNumber=2' },
      { ...head, query: '' },
      { ...head, headers: new Map([...head.headers, ['x-amz-meta-a', 'c']]) },
      { ...head, headers: new Map([...head.headers, ['host', 'other.example']]) },
      {
        ...head,
        headers: new Map([...head.headers, ['x-amz-content-sha256', hash('sha256', 'x')]]),
      },
    ];
    for (const one of changed) expect(await codeOf(prove(one))).toBe('SignatureDoesNotMatch');
    expect(await codeOf(prove(head))).toBe('accepted');
  });
});

describe('what a request claims', () => {
  const plain: Draft = { method: 'GET', path: '/bucket/key', headers: {} };

  test('an x-amz header that is not signed is refused, whatever the signature', async () => {
    const head = signedHead(plain);
    const added = new Map([...head.headers, ['x-amz-copy-source', '/other/key']]);
    expect(await codeOf(prove({ ...head, headers: added }))).toBe('AccessDenied');
    const presigned = signedHead({ ...plain, presign: true });
    const more = new Map([...presigned.headers, ['x-amz-acl', 'private']]);
    expect(await codeOf(prove({ ...presigned, headers: more }))).toBe('AccessDenied');
  });

  test('the time must be near', async () => {
    const at = (ms: number) => ({ clock: new VirtualClock((nowMs + ms) * 1000) });
    expect(await codeOf(prove(signedHead(plain), at(899_000)))).toBe('accepted');
    expect(await codeOf(prove(signedHead(plain), at(901_000)))).toBe('RequestTimeTooSkewed');
    expect(await codeOf(prove(signedHead(plain), at(-901_000)))).toBe('RequestTimeTooSkewed');
  });

  test('a presigned request lives as long as it says', async () => {
    const at = (ms: number) => ({ clock: new VirtualClock((nowMs + ms) * 1000) });
    const head = signedHead({ ...plain, presign: true });
    expect(await codeOf(prove(head, at(599_000)))).toBe('accepted');
    expect(await codeOf(prove(head, at(601_000)))).toBe('AccessDenied');
    expect(await codeOf(prove(head, at(-901_000)))).toBe('AccessDenied');
    const longer = { ...head, query: head.query.replace('Expires=600', 'Expires=604801') };
    expect(await codeOf(prove(longer))).toBe('AuthorizationQueryParametersError');
    const stretched = { ...head, query: head.query.replace('Expires=600', 'Expires=6000') };
    expect(await codeOf(prove(stretched))).toBe('SignatureDoesNotMatch');
  });

  test('a configured region is the only one', async () => {
    const head = signedHead(plain, 'mars-1');
    expect(await codeOf(prove(head))).toBe('accepted');
    expect(await codeOf(prove(head, { region: 'mars-1' }))).toBe('accepted');
    const wrong = await codeOf(prove(head, { region: 'venus-2' }));
    expect(wrong).toBe('AuthorizationHeaderMalformed');
  });

  test('an unknown key, no hash, two signatures at once', async () => {
    const head = signedHead(plain);
    const edit = (from: string, to: string): RequestHead => ({
      ...head,
      headers: new Map([...head.headers].map(([name, value]) => [name, value.replace(from, to)])),
    });
    expect(await codeOf(prove(edit('BLUE1KEY', 'NOBODY')))).toBe('InvalidAccessKeyId');
    const hashless = new Map(head.headers);
    hashless.delete('x-amz-content-sha256');
    expect(await codeOf(prove({ ...head, headers: hashless }))).toBe('InvalidRequest');
    const both = { ...head, query: 'X-Amz-Algorithm=AWS4-HMAC-SHA256' };
    expect(await codeOf(prove(both))).toBe('InvalidArgument');
    expect(await codeOf(prove(edit('AWS4-HMAC-SHA256 ', 'AWS ')))).toBe('InvalidArgument');
    const aged = await codeOf(prove(edit('/20260304/', '/20260303/')));
    expect(aged).toBe('AuthorizationHeaderMalformed');
  });

  test('a changed secret is not answered from memory', () => {
    const keys = new SigningKeys(2);
    const scope = { accessKey: 'A', date: '20260304', region: 'r', service: 's3' };
    const first = keys.get(scope, 'one').sign('x');
    expect(keys.get(scope, 'two').sign('x')).not.toBe(first);
    expect(keys.get(scope, 'one').sign('x')).toBe(first);
  });
});

describe('canonical forms', () => {
  test('paths are decoded and encoded once, never tidied', () => {
    expect(canonicalizePath('/a/../b//c/.')).toBe('/a/../b//c/.');
    expect(canonicalizePath('/a+b%20c%2b~%7e')).toBe('/a%2Bb%20c%2B~~');
    expect(canonicalizePath('/%zz')).toBe('/%25zz');
    expect(canonicalizePath('/a%2Fb')).toBe('/a/b');
  });

  test('queries are sorted, and a name without value has an empty one', () => {
    expect(canonicalQuery('b=2&a=1&a=0&acl')).toBe('a=0&a=1&acl=&b=2');
    expect(canonicalQuery('prefix=a+b/c')).toBe('prefix=a%20b%2Fc');
    expect(canonicalQuery('x=1&X-Amz-Signature=abc', 'X-Amz-Signature')).toBe('x=1');
  });

  test('only real times are times', () => {
    expect(parseAmzDate('20130524T000000Z')).toBe(Date.parse('2013-05-24T00:00:00Z'));
    for (const bad of ['20131324T000000Z', '20130524T250000Z', '2013-05-24T00:00:00Z', ''])
      expect(parseAmzDate(bad)).toBeUndefined();
  });
});

describe('signing keys', () => {
  test('sign as HMAC-SHA256 does, whatever the lengths that follow each other', () => {
    const raw = seededRandom(3).bytes(32);
    const key = new SigningKey(raw);
    for (const length of [0, 143, 143, 64, 5000, 143, 1]) {
      const text = 'x'.repeat(length);
      expect(key.sign(text)).toBe(createHmac('sha256', raw).update(text, 'latin1').digest('hex'));
    }
  });

  test('what was proven once proves nothing else', async () => {
    const keys = new SigningKeys(10);
    const head = signedHead({ method: 'GET', path: '/bucket/key', headers: {} });
    const authorization = head.headers.get('authorization') ?? '';
    const twice = () => prove(head, { keys });
    expect(await codeOf(twice())).toBe('accepted');
    expect(await codeOf(twice())).toBe('accepted');
    const forged = (text: string) => ({
      ...head,
      headers: new Map(head.headers).set('authorization', text),
    });
    const wrong = authorization.slice(0, -1) + (authorization.endsWith('0') ? '1' : '0');
    expect(await codeOf(prove(forged(wrong), { keys }))).toBe('SignatureDoesNotMatch');
    expect(await codeOf(prove({ ...head, path: '/other' }, { keys }))).toBe(
      'SignatureDoesNotMatch',
    );
    const authenticator = { s3Secret: async () => undefined };
    expect(await codeOf(prove(head, { keys, authenticator }))).toBe('InvalidAccessKeyId');
    const blue = await testAuthenticator.s3Secret(blueKey.accessKey);
    const changed = { s3Secret: async () => blue && { ...blue, secret: 'another' } };
    expect(await codeOf(prove(head, { keys, authenticator: changed }))).toBe(
      'SignatureDoesNotMatch',
    );
  });
});
