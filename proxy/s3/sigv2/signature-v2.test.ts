import { expect, test } from 'vitest';
import { readHead } from '../request-head.ts';
import { routes } from '../routes.ts';
import { hasEmptySubresource, stringToSignV2, subresources } from './signature-v2.ts';

const resourceOf = (url: string, bareWhenEmpty: boolean): string | undefined =>
  stringToSignV2(readHead('GET', url, []), '', { virtualBucket: undefined, bareWhenEmpty })
    .split('\n')
    .at(-1);

test('a parameter without a value is signed as it stands, or by its bare name', () => {
  expect(resourceOf('/b?policy=', false)).toBe('/b?policy=');
  expect(resourceOf('/b?policy=', true)).toBe('/b?policy');
  expect(hasEmptySubresource('policy=')).toBe(true);
  expect(hasEmptySubresource('policy&prefix=')).toBe(false);
});

test('parameters are sorted by their names alone', () => {
  expect(resourceOf('/b/k?uploadId=1&select-type=2&select=3&x=4', false)).toBe(
    '/b/k?select=3&select-type=2&uploadId=1',
  );
});

test('a parameter is signed by the name that it is read by', () => {
  expect(resourceOf('/b/k?%61cl', false)).toBe('/b/k?acl');
  expect(resourceOf('/b/k?%76ersion%49d=7', false)).toBe('/b/k?versionId=7');
});

test('every parameter that makes another operation of a request is signed', () => {
  const named = routes.flatMap(({ query = '' }) =>
    query.split('&').map((word) => word.split('=')[0]),
  );
  // These choose among listings that show the same.
  const harmless = new Set(['', 'id', 'list-type']);
  const unsigned = named.filter((name = '') => !harmless.has(name) && !subresources.has(name));
  expect(unsigned).toEqual([]);
});
