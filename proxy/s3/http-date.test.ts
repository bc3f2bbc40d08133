import fc from 'fast-check';
import { expect, test } from 'vitest';
import { httpDate, listingDate } from './http-date.ts';

test('both forms show the second that a time lies in', () => {
  const times = fc
    .integer({ min: 0, max: 4_102_444_800 })
    .chain((seconds) =>
      fc.integer({ min: 0, max: 999_999 }).map((us) => ({ seconds, us: seconds * 1_000_000 + us })),
    );
  fc.assert(
    fc.property(times, ({ seconds, us }) => {
      const date = new Date(seconds * 1000);
      expect(listingDate(us)).toBe(date.toISOString());
      expect(httpDate(us)).toBe(date.toUTCString());
    }),
    { seed: 9, numRuns: 500 },
  );
});
