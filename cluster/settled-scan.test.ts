import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareUtf8 } from '#common';
import { compareVersions, type Row, type ScanPage } from '#wire';
import type { Answer } from './quorum.ts';
import { mergePages } from './settled-scan.ts';

const none = Buffer.alloc(0);
const aggregate = { rows: 0, bytes: 0, digest: '' };

const rowsArb = fc
  .uniqueArray(
    fc.record({
      sort: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      time: fc.integer({ min: 1, max: 3 }),
    }),
    { selector: ({ sort }) => sort, maxLength: 6 },
  )
  .map((rows) =>
    rows
      .sort((a, b) => compareUtf8(a.sort, b.sort))
      .map(
        ({ sort, time }): Row => ({
          sort,
          version: { timeUs: time, coordinator: 1 },
          deleted: time === 2,
          meta: none,
          bytes: time,
          bodyLength: 0,
        }),
      ),
  );
const pagesArb = fc.array(
  fc
    .record({ rows: rowsArb, more: fc.boolean() })
    .map(({ rows, more }) => ({ rows, more: more && rows.length > 0, aggregate })),
  { minLength: 1, maxLength: 3 },
);

function answersOf(pages: readonly ScanPage[]): Answer<ScanPage>[] {
  return pages.map((value, device) => ({ device, value }));
}

const merge = (pages: readonly ScanPage[]) => mergePages(answersOf(pages), false, 2);

describe('merging pages', () => {
  it('takes the newest version of each row, in order, up to where the shortest page ends', () => {
    fc.assert(
      fc.property(pagesArb, (pages) => {
        const { rows } = merge(pages);
        const ends = pages.filter(({ more }) => more).map(({ rows }) => rows.at(-1)?.sort ?? '');
        const all = pages.flatMap(({ rows }) => rows);
        const within = all.filter(({ sort }) => ends.every((end) => compareUtf8(sort, end) <= 0));
        const names = [...new Set(within.map(({ sort }) => sort))].sort(compareUtf8);
        expect(rows.map(({ sort }) => sort)).toEqual(names);
        for (const row of rows)
          for (const other of all)
            if (other.sort === row.sort)
              expect(compareVersions(row.version, other.version)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('is commutative, associative and idempotent in what it finds', () => {
    const found = (pages: readonly ScanPage[]) =>
      merge(pages).rows.map(({ sort, version }) => [sort, version.timeUs]);
    const whole = pagesArb.map((pages) => pages.map((page) => ({ ...page, more: false })));
    fc.assert(
      fc.property(whole, (pages) => {
        const once = found(pages);
        expect(found([...pages].reverse())).toEqual(once);
        expect(found([...pages, ...pages])).toEqual(once);
        const [first, ...rest] = pages;
        if (first === undefined || rest.length === 0) return;
        const restMerged = { rows: merge(rest).rows, more: false, aggregate };
        expect(found([first, restMerged])).toEqual(once);
      }),
    );
  });

  it('knows which rows a majority does not hold, and who is behind on the others', () => {
    fc.assert(
      fc.property(pagesArb, (pages) => {
        const { rows, unsettled, stale } = merge(pages);
        rows.forEach((row, index) => {
          const holds = pages.map((page) =>
            page.rows.some(
              ({ sort, version }) => sort === row.sort && version.timeUs === row.version.timeUs,
            ),
          );
          const holders = holds.filter(Boolean).length;
          expect(unsettled.includes(index)).toBe(holders < 2);
          const behind = stale.filter(({ sort }) => sort === row.sort).map(({ device }) => device);
          const expected =
            holders < 2 ? [] : holds.flatMap((held, device) => (held ? [] : [device]));
          expect(behind).toEqual(expected);
        });
      }),
    );
  });
});
