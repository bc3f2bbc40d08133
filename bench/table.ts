/** Results for people: one line for each row, and the comparison of two targets. */
import type { Row } from './result.ts';

/** Rows that other processes disturbed more than this are marked; their rates are not to be trusted. */
export const QUIET_PCT = 15;

/** Aligned columns; the first is text, the others are figures. */
export function renderTable(
  heads: readonly string[],
  lines: readonly (readonly string[])[],
): string {
  const widths = heads.map((head, at) =>
    Math.max(head.length, ...lines.map((line) => line[at]?.length ?? 0)),
  );
  const render = (cells: readonly string[]): string =>
    widths
      .map((width, at) =>
        at === 0 ? (cells[at] ?? '').padEnd(width) : (cells[at] ?? '').padStart(width),
      )
      .join('  ')
      .trimEnd();
  return [render(heads), ...lines.map(render)].join('\n');
}

export function renderRows(rows: readonly Row[]): string {
  const heads = [
    'workload',
    'target',
    'ops/s',
    'MB/s',
    'p50 ms',
    'p90',
    'p99',
    'p99.9',
    'errors',
    'CPU ms/op',
    'disk B/write',
    'verified',
    'gen %',
    'other %',
  ];
  return renderTable(
    heads,
    rows.flatMap((row) => {
      const kinds = Object.entries(row.operations);
      const parts = kinds.length > 1 ? kinds : [];
      return [
        rowLine(row, row.workload, row.total),
        ...parts.map(([kind, part]) => partLine(kind, part)),
      ];
    }),
  );
}

function rowLine(row: Row, label: string, part: Row['total']): string[] {
  const marks = `${row.generator_bound ? ' (generator-bound)' : ''}${row.other_pct > QUIET_PCT ? ' *' : ''}`;
  return [
    label + marks,
    row.target,
    ...figures(part),
    `${part.errors + row.corrupt}`,
    row.server_cpu_ms_per_op === undefined ? '' : shown(row.server_cpu_ms_per_op),
    row.disk_bytes_per_write === undefined ? '' : `${row.disk_bytes_per_write}`,
    `${row.verified}`,
    `${row.generator_pct}`,
    `${row.other_pct}`,
  ];
}

function partLine(kind: string, part: Row['total']): string[] {
  return [`  ${kind}`, '', ...figures(part), `${part.errors}`];
}

function figures(part: Row['total']): string[] {
  const { latency_ms: ms } = part;
  const latencies = ms ? [ms.p50, ms.p90, ms.p99, ms.p99_9].map(shown) : ['', '', '', ''];
  return [shown(part.ops_per_s), shown(part.mb_per_s), ...latencies];
}

/** Three digits that matter. */
export function shown(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return size >= 100
    ? value.toFixed(0)
    : size >= 10
      ? value.toFixed(1)
      : size >= 1
        ? value.toFixed(2)
        : value.toFixed(3);
}
