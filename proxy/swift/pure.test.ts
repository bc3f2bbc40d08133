/** The parts of the dialect that need no server. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { skipCollapsed } from '../objects/accounts.ts';
import { mergePages } from '../objects/object-listing.ts';
import { cleanAcl } from './container-acl.ts';
import { bestOf } from './listing.ts';
import { parseRange } from './range.ts';
import { parsePath, parseQuery } from './swift-path.ts';
import {
  decodePercent,
  encodePercent,
  fromHeader,
  isoTime,
  jsonText,
  timestamp,
  titleCase,
  toHeader,
} from './text.ts';

describe('text', () => {
  test('percent-encoding goes there and back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const clean = text.toWellFormed().replaceAll('\0', '');
        expect(decodePercent(encodePercent(clean))).toBe(clean);
        expect(fromHeader(toHeader(clean))).toBe(clean);
      }),
      { seed: 1 },
    );
  });

  test('what is no escape stays; what is no UTF-8 is refused', () => {
    expect(decodePercent('100%')).toBe('100%');
    expect(decodePercent('%zz%4')).toBe('%zz%4');
    expect(decodePercent('%25%34')).toBe('%4');
    for (const bad of ['%ff', '%c3', '%00', '\0', '%ed%a0%80'])
      expect(decodePercent(bad)).toBeUndefined();
    expect(fromHeader('\xff')).toBeUndefined();
  });

  test('times and names as Swift writes them', () => {
    expect(timestamp(1_700_000_000_123_456)).toBe('1700000000.12345');
    expect(isoTime(1_700_000_000_123_456)).toBe('2023-11-14T22:13:20.123450');
    expect(titleCase('x-object-meta-ab-c')).toBe('X-Object-Meta-Ab-C');
  });

  test('JSON in ASCII parses to the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const json = jsonText(text);
        expect(JSON.parse(json)).toBe(text);
        expect(json).toMatch(/^[ -~]*$/);
      }),
      { seed: 2 },
    );
  });
});

describe('addresses', () => {
  test('paths part into account, container and object, and nothing is tidied', () => {
    const path = (url: string) => {
      const parsed = parsePath(url);
      return parsed.is === 'path' ? parsed.path : parsed.is;
    };
    expect(path('/v1/a')).toEqual({ account: 'a' });
    expect(path('/v1.0/a/')).toEqual({ account: 'a' });
    expect(path('/v1/a/c/')).toEqual({ account: 'a', container: 'c' });
    expect(path('/v1/a/c//../o')).toEqual({ account: 'a', container: 'c', object: '/../o' });
    expect(path('/v1/a//o')).toBe('malformed');
    expect(path('/v1//c')).toBe('malformed');
    expect(path('/v3/a')).toBe('other');
    expect(path('/v1/a/%ff')).toBe('undecodable');
  });

  test('queries keep the first of each name', () => {
    expect(parseQuery('a=1&a=2&b&c=x+y%2B')).toEqual(
      new Map([
        ['a', '1'],
        ['b', ''],
        ['c', 'x y+'],
      ]),
    );
    expect(parseQuery('a=%ff')).toBeUndefined();
  });
});

describe('ranges', () => {
  test('are cut to what is there', () => {
    expect(parseRange('bytes=0-4', 10)).toEqual([{ first: 0, last: 4 }]);
    expect(parseRange('bytes=5-', 10)).toEqual([{ first: 5, last: 9 }]);
    expect(parseRange('bytes=-3', 10)).toEqual([{ first: 7, last: 9 }]);
    expect(parseRange('bytes=-30', 10)).toEqual([{ first: 0, last: 9 }]);
    expect(parseRange('bytes=10-', 10)).toEqual([]);
    expect(parseRange('bytes=-0', 10)).toEqual([]);
    expect(parseRange('bytes=0-0', 0)).toEqual([]);
    for (const ignored of ['bytes=', 'bytes=4-2', 'bytes=x', 'items=0-1', 'bytes=-', 'bytes=1-2,x'])
      expect(parseRange(ignored, 10)).toBeUndefined();
  });

  test('that ask for the same over and over are refused', () => {
    expect(parseRange('bytes=0-9,0-9,0-9,0-9', 10)).toEqual([]);
    expect(parseRange('bytes=0-1,4-5', 10)).toHaveLength(2);
  });

  test('always lie within the body', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.string(), (length, text) => {
        for (const { first, last } of parseRange(`bytes=${text}`, length) ?? [])
          expect(first >= 0 && first <= last && last < length).toBe(true);
      }),
      { seed: 3 },
    );
  });
});

describe('choices', () => {
  test('Accept picks the best that is offered', () => {
    const offers = ['text/plain', 'application/json', 'text/xml'] as const;
    expect(bestOf('*/*', offers)).toBe('text/plain');
    expect(bestOf('application/json', offers)).toBe('application/json');
    expect(bestOf('text/plain;q=0.5, application/*;q=0.9', offers)).toBe('application/json');
    expect(bestOf('image/png', offers)).toBeUndefined();
    expect(bestOf('application/json;q=0', offers)).toBeUndefined();
  });

  test('ACLs are kept in one form', () => {
    expect(cleanAcl('x-container-read', ' .referrer : * , a:b ,, .rlistings')).toBe(
      '.r:*,a:b,.rlistings',
    );
    expect(cleanAcl('x-container-read', '.r:-*.bad.org')).toBe('.r:-.bad.org');
    expect(() => cleanAcl('x-container-write', '.r:*')).toThrow(/not allowed/);
    expect(() => cleanAcl('x-container-read', '.r:')).toThrow(/No host/);
  });
});

describe('listings', () => {
  test('a marker that is a collapsed prefix skips all under it', () => {
    expect(skipCollapsed({ delimiter: '/', marker: 'a/' })).toEqual({ delimiter: '/', from: 'a0' });
    expect(skipCollapsed({ delimiter: '/', marker: 'a/b' })).toEqual({
      delimiter: '/',
      marker: 'a/b',
    });
    expect(skipCollapsed({ delimiter: '/', marker: 'a/', prefix: 'a/' })).toMatchObject({
      marker: 'a/',
    });
  });

  test('pages of shards merge in order, a shared prefix counted once', () => {
    const pages = [
      { entries: [{ prefix: 'a/' }, { prefix: 'c/' }], more: false },
      { entries: [{ prefix: 'a/' }, { prefix: 'b/' }], more: false },
    ];
    const prefixes = (limit: number, reverse: boolean) => {
      const sorted = reverse
        ? pages.map((page) => ({ ...page, entries: [...page.entries].reverse() }))
        : pages;
      const page = mergePages(sorted, limit, reverse);
      return [page.entries.map((entry) => entry.prefix), page.more];
    };
    expect(prefixes(10, false)).toEqual([['a/', 'b/', 'c/'], false]);
    expect(prefixes(2, false)).toEqual([['a/', 'b/'], true]);
    expect(prefixes(2, true)).toEqual([['c/', 'b/'], true]);
  });
});
