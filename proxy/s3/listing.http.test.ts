import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type S3World, startS3World } from './testing/s3-world.ts';
import { type Answer, send, texts } from './testing/signed-client.ts';

let world: S3World;
const names = [
  'a',
  'b/1',
  'b/2',
  'b/sub/x',
  'c',
  'd d',
  'e+f',
  'g/',
  'ü',
  '\u{1f600}',
  'z<&>"',
  '\uffee',
];

beforeAll(async () => {
  world = await startS3World();
  await send(world, { method: 'PUT', path: '/list' });
  for (const name of names)
    await send(world, { method: 'PUT', path: `/list/${encodeURIComponent(name)}`, body: name });
});
afterAll(() => world.close());

const list = (query: string) => send(world, { path: `/list?${query}` });
const unescaped = (text: string) =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
const keys = (answer: Answer) => texts(answer, 'Key').map(unescaped);
const prefixes = (answer: Answer) =>
  [...answer.text.matchAll(/<CommonPrefixes><Prefix>([^<]*)</g)].map((match) =>
    unescaped(match[1] ?? ''),
  );
const inByteOrder = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** Pages through and returns everything in the order in which it came. */
async function pages(query: string, limit: number, version: 1 | 2): Promise<string[]> {
  const all: string[] = [];
  let next = '';
  for (let page = 0; page < 50; page++) {
    const answer = await list(
      `${version === 2 ? 'list-type=2&' : ''}max-keys=${limit}&${query}${next}`,
    );
    const entries = [
      ...answer.text.matchAll(/<Key>([^<]*)<|<CommonPrefixes><Prefix>([^<]*)</g),
    ].map((match) => unescaped(match[1] ?? match[2] ?? ''));
    expect(entries.length).toBeLessThanOrEqual(limit);
    all.push(...entries);
    if (texts(answer, 'IsTruncated')[0] === 'false') return all.sort(bytewise);
    const token =
      version === 2
        ? (texts(answer, 'NextContinuationToken')[0] ?? '')
        : unescaped(texts(answer, 'NextMarker')[0] ?? keys(answer).at(-1) ?? '');
    next = `&${version === 2 ? 'continuation-token' : 'marker'}=${encodeURIComponent(token)}`;
  }
  throw new Error('the listing does not end');
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

describe('one page', () => {
  test('all names in byte order, with what belongs to them', async () => {
    const answer = await list('list-type=2&fetch-owner=true');
    expect(keys(answer)).toEqual(inByteOrder);
    expect(texts(answer, 'KeyCount')).toEqual([String(names.length)]);
    expect(texts(answer, 'ID')).toEqual(names.map(() => 'blue'));
    expect(texts(answer, 'Size')).toEqual(inByteOrder.map((name) => `${Buffer.byteLength(name)}`));
    expect(texts(answer, 'StorageClass')).toEqual(names.map(() => 'STANDARD'));
    expect(texts(answer, 'LastModified')[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
  });

  test('the first version shows owners and its marker', async () => {
    const answer = await list('marker=c');
    expect(texts(answer, 'Marker')).toEqual(['c']);
    expect(keys(answer)).toEqual(inByteOrder.slice(inByteOrder.indexOf('c') + 1));
    expect(texts(answer, 'ID')).toHaveLength(keys(answer).length);
  });

  test('prefix and delimiter collapse', async () => {
    const answer = await list('list-type=2&delimiter=/');
    expect(prefixes(answer)).toEqual(['b/', 'g/']);
    expect(keys(answer)).toEqual(inByteOrder.filter((name) => !name.includes('/')));
    const inside = await list('list-type=2&delimiter=/&prefix=b/');
    expect([keys(inside), prefixes(inside)]).toEqual([['b/1', 'b/2'], ['b/sub/']]);
  });

  test('names can be asked for in URL encoding', async () => {
    const answer = await list('list-type=2&encoding-type=url&prefix=d%20d');
    expect([keys(answer), texts(answer, 'EncodingType')]).toEqual([['d%20d'], ['url']]);
    expect(texts(answer, 'Prefix')).toEqual(['d%20d']);
    expect((await list('encoding-type=base64')).code).toBe('InvalidArgument');
  });

  test('a collapsed prefix as marker stands for all under it', async () => {
    expect(prefixes(await list('delimiter=/&marker=b/'))).toEqual(['g/']);
    expect(prefixes(await list('list-type=2&delimiter=/&start-after=b/'))).toEqual(['g/']);
    expect(prefixes(await list('list-type=2&delimiter=/&start-after=b/1'))).toEqual(['b/', 'g/']);
  });
});

describe('pages', () => {
  const collapsed = [...inByteOrder.filter((name) => !name.includes('/')), 'b/', 'g/'].sort(
    bytewise,
  );

  test.each([1, 2, 3, 5, 100])('of %i are as one listing, in both versions', async (limit) => {
    for (const version of [1, 2] as const) {
      expect(await pages('', limit, version)).toEqual(inByteOrder);
      expect(await pages('delimiter=/', limit, version)).toEqual(collapsed);
    }
  });

  test('of nothing', async () => {
    const answer = await list('list-type=2&max-keys=0');
    expect([keys(answer), texts(answer, 'IsTruncated')]).toEqual([[], ['false']]);
  });

  test('bounds', async () => {
    expect(texts(await list('max-keys=5000'), 'MaxKeys')).toEqual(['1000']);
    for (const bad of ['max-keys=-1', 'max-keys=many', 'max-keys=99999999999'])
      expect((await list(bad)).code).toBe('InvalidArgument');
    for (const bad of ['abc', 'AAAA', '!!'])
      expect((await list(`list-type=2&continuation-token=${bad}`)).code).toBe('InvalidArgument');
  });
});

test('of buckets', async () => {
  for (const name of ['other-1', 'other-2']) await send(world, { method: 'PUT', path: `/${name}` });
  const first = await send(world, { path: '/?max-buckets=2' });
  expect(texts(first, 'Name')).toEqual(['list', 'other-1']);
  const token = texts(first, 'ContinuationToken')[0] ?? '';
  const second = await send(world, { path: `/?max-buckets=2&continuation-token=${token}` });
  expect(texts(second, 'Name')).toEqual(['other-2']);
  expect(texts(await send(world, { path: '/?prefix=other' }), 'Name')).toHaveLength(2);
});
