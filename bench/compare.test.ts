import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareRows, median, renderComparison } from './compare.ts';
import { readResult } from './result.ts';
import { renderRows, shown } from './table.ts';

const golden = join(import.meta.dirname, 'golden', 'result-v1.json');

describe('results', () => {
  it('reads the stored form of version 1', () => {
    const { rows, targets } = readResult(golden);
    expect(targets.map(({ name }) => name)).toEqual(['fast', 'slow']);
    expect(rows).toHaveLength(6);
    expect(rows[0]?.total.latency_ms?.p99_9).toBe(9);
  });

  it('refuses another version, another format and a broken file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bench-result-'));
    const path = join(folder, 'r.json');
    for (const content of [
      '{',
      '{"format":"pileus-bench-result","version":2}',
      '{"format":"x","version":1}',
    ]) {
      writeFileSync(path, content);
      expect(() => readResult(path)).toThrow();
    }
    rmSync(folder, { recursive: true });
    expect(() => readResult(path)).toThrow(/cannot be read/);
  });

  it('compares medians of the quiet rounds', () => {
    const { rows } = readResult(golden);
    const [only, ...more] = compareRows(rows, 'fast', 'slow');
    expect(more).toEqual([]);
    // The third round of both was disturbed: its figures must not count.
    expect(only).toMatchObject({
      opsA: 1000,
      opsB: 100,
      opsRatio: 10,
      cpuRatio: 20,
      rounds: [2, 2],
      quiet: true,
    });
    expect(only?.p99Ratio).toBe(5);
    expect(renderComparison(only ? [only] : [], 'fast', 'slow')).toContain('10.0×');
    expect(compareRows(rows, 'fast', 'nobody')).toEqual([]);
  });

  it('uses disturbed rounds, and says so, when there are no others', () => {
    const rows = readResult(golden).rows.map((row) => ({ ...row, other_pct: 50 }));
    const [only] = compareRows(rows, 'fast', 'slow');
    expect(only).toMatchObject({ rounds: [3, 3], quiet: false });
  });

  it('prints a table that lines up', () => {
    const lines = renderRows(readResult(golden).rows).split('\n');
    expect(lines).toHaveLength(7);
    expect(lines[0]).toMatch(/^workload +target +ops\/s/);
    expect(lines[6]).toContain(' *');
  });

  it('finds medians and shows three digits', () => {
    expect([median([]), median([3]), median([4, 1]), median([9, 1, 5])]).toEqual([
      undefined,
      3,
      2.5,
      5,
    ]);
    expect([0, 0.01234, 1.234, 12.34, 123.4, 1234.5].map(shown)).toEqual([
      '0',
      '0.012',
      '1.23',
      '12.3',
      '123',
      '1,235',
    ]);
  });
});
