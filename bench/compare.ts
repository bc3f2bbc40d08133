/**
 * Ratios of two targets that ran the same workloads in turns. The median over rounds of one is set against the
 * median of the other; rounds that others disturbed are left out as long as a quiet one remains.
 */
import type { Row } from './result.ts';
import { QUIET_PCT, renderTable, shown } from './table.ts';

export interface Comparison {
  readonly workload: string;
  readonly opsA: number;
  readonly opsB: number;
  /** Operations per second of A over those of B. */
  readonly opsRatio: number;
  /** p99 of B over that of A: above one, A is quicker. */
  readonly p99Ratio: number | undefined;
  readonly cpuA: number | undefined;
  readonly cpuB: number | undefined;
  /** CPU per operation of B over that of A: above one, A is cheaper. */
  readonly cpuRatio: number | undefined;
  /** Rounds used of A and of B. */
  readonly rounds: readonly [number, number];
  readonly quiet: boolean;
}

export function compareRows(rows: readonly Row[], a: string, b: string): Comparison[] {
  const workloads = [...new Set(rows.map((row) => row.workload))];
  return workloads.flatMap((workload) => {
    const of = (target: string): Row[] =>
      rows.filter((row) => row.workload === workload && row.target === target);
    const [allA, allB] = [of(a), of(b)];
    if (allA.length === 0 || allB.length === 0) return [];
    const [rowsA, rowsB] = [quietest(allA), quietest(allB)];
    const [opsA, opsB] = [medianOf(rowsA, ops), medianOf(rowsB, ops)];
    const [cpuA, cpuB] = [medianOf(rowsA, cpu), medianOf(rowsB, cpu)];
    const [p99A, p99B] = [medianOf(rowsA, p99), medianOf(rowsB, p99)];
    return [
      {
        workload,
        opsA: opsA ?? 0,
        opsB: opsB ?? 0,
        opsRatio: ratio(opsA, opsB) ?? 0,
        p99Ratio: ratio(p99B, p99A),
        cpuA,
        cpuB,
        cpuRatio: ratio(cpuB, cpuA),
        rounds: [rowsA.length, rowsB.length],
        quiet: [...rowsA, ...rowsB].every((row) => row.other_pct <= QUIET_PCT),
      },
    ];
  });
}

const ops = (row: Row): number => row.total.ops_per_s;
const cpu = (row: Row): number | undefined => row.server_cpu_ms_per_op;
const p99 = (row: Row): number | undefined => row.total.latency_ms?.p99;

function quietest(rows: readonly Row[]): readonly Row[] {
  const quiet = rows.filter((row) => row.other_pct <= QUIET_PCT);
  return quiet.length > 0 ? quiet : rows;
}

function medianOf(rows: readonly Row[], of: (row: Row) => number | undefined): number | undefined {
  return median(rows.map(of).filter((value) => value !== undefined));
}

export function median(values: readonly number[]): number | undefined {
  const inOrder = [...values].sort((x, y) => x - y);
  const [low, high] = [
    inOrder[Math.floor((inOrder.length - 1) / 2)],
    inOrder[Math.floor(inOrder.length / 2)],
  ];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

function ratio(top: number | undefined, bottom: number | undefined): number | undefined {
  return top === undefined || bottom === undefined || bottom === 0 ? undefined : top / bottom;
}

export function renderComparison(rows: readonly Comparison[], a: string, b: string): string {
  const heads = [
    'workload',
    `${a} ops/s`,
    `${b} ops/s`,
    'ratio',
    'p99 ratio',
    `${a} CPU ms/op`,
    `${b} CPU ms/op`,
    'ratio',
    'rounds',
  ];
  const cell = (value: number | undefined, unit = ''): string =>
    value === undefined ? '' : shown(value) + unit;
  return renderTable(
    heads,
    rows.map((row) => [
      row.workload + (row.quiet ? '' : ' *'),
      cell(row.opsA),
      cell(row.opsB),
      cell(row.opsRatio, '×'),
      cell(row.p99Ratio, '×'),
      cell(row.cpuA),
      cell(row.cpuB),
      cell(row.cpuRatio, '×'),
      row.rounds.join('+'),
    ]),
  );
}
