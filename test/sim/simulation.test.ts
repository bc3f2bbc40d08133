/**
 * Simulated clusters under every kind of fault, a few seeds of them; `./pileus sim` runs as many as one likes. A failure names its seed, and
 * `./pileus sim --seed N --events` shows what happened.
 */
import { expect, test } from 'vitest';
import { simulate } from './simulation/simulation.ts';

const fixed = process.env.PILEUS_TEST_SEED;
const seeds = fixed === undefined ? Array.from({ length: 8 }, (_, at) => at + 1) : [Number(fixed)];
const days = 0.3;

test.each(seeds)('keeps every promise, seed %i', async (seed) => {
  const report = await simulate({ seed, days });
  expect(report.violations).toEqual([]);
  expect(report.operations).toBeGreaterThan(50);
  expect(report.faults).toBeGreaterThan(5);
});

test('the same seed gives the same trace, another one another', async () => {
  const short = { days: 0.05 };
  const [one, again, other] = [
    await simulate({ seed: 1, ...short }),
    await simulate({ seed: 1, ...short }),
    await simulate({ seed: 2, ...short }),
  ];
  expect(again).toEqual(one);
  expect(other.trace).not.toBe(one.trace);
});
