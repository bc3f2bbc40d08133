import { expect, test } from 'vitest';
import { version, worksWith } from './version.ts';

test('versions one step apart work together, others do not', () => {
  expect(worksWith(version, version)).toBe(true);
  expect(worksWith('1.2.0', '1.3.9')).toBe(true);
  expect(worksWith('1.3.9', '1.2.0')).toBe(true);
  expect(worksWith('1.2.0', '1.4.0')).toBe(false);
  expect(worksWith('1.9.0', '2.0.0')).toBe(false);
  expect(worksWith('1.2.0', 'what')).toBe(false);
});
