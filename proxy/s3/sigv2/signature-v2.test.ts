import { expect, test } from 'vitest';
import { readHead } from '../request-head.ts';
import { hasEmptySubresource, stringToSignV2 } from './signature-v2.ts';

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
