import { expect, test } from 'vitest';
import { findViolation, type Operation, type Value } from '../support/linearizability.ts';

const write = (startMs: number, endMs: number, value: string): Operation => ({
  ...{ startMs, endMs, mayVanish: false, told: `write ${value}` },
  apply: () => ({ next: value }),
});
const read = (startMs: number, endMs: number, value: Value): Operation => ({
  ...{ startMs, endMs, mayVanish: false, told: `read ${value}` },
  apply: (state) => (state === value ? { next: state } : 'impossible'),
});

test('what overlaps may be in either order', () => {
  expect(
    findViolation([write(0, 5, 'a'), read(1, 2, undefined), read(3, 4, 'a')], undefined),
  ).toBeUndefined();
});

test('what ended cannot be undone, and time does not go back', () => {
  expect(findViolation([write(0, 1, 'a'), read(2, 3, undefined)], undefined)).toBeDefined();
  const back = [write(0, 9, 'a'), read(1, 2, 'a'), read(3, 4, undefined)];
  expect(findViolation(back, undefined)).toBeDefined();
});

test('what was never answered may have happened, late, or not at all', () => {
  const lost = { ...write(0, Number.POSITIVE_INFINITY, 'a'), mayVanish: true };
  expect(findViolation([lost, read(1, 2, undefined), read(3, 4, 'a')], undefined)).toBeUndefined();
  expect(findViolation([lost, read(1, 2, undefined)], undefined)).toBeUndefined();
});
