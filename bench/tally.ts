/** Counts and latencies of one worker, and how several are added up. Histograms travel between threads. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { type OperationKind, operationKinds } from './workload.ts';

/** A minute and a half: longer than any answer is waited for. */
const LONGEST_US = 90_000_000;
const ERROR_KINDS_MAX = 50;

export interface OperationTally {
  count: number;
  bytes: number;
  errors: number;
  /** Microseconds; only operations that succeeded. */
  readonly latency: RecordableHistogram;
}

export interface Tally {
  readonly operations: Record<OperationKind, OperationTally>;
  /** What went wrong, by status or error code. */
  readonly errors: Map<string, number>;
  verified: number;
  corrupt: number;
  rows: number;
}

export function newHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: LONGEST_US, figures: 3 });
}

export function newTally(): Tally {
  const one = (): OperationTally => ({ count: 0, bytes: 0, errors: 0, latency: newHistogram() });
  return {
    operations: { read: one(), write: one(), list: one(), delete: one() },
    errors: new Map(),
    verified: 0,
    corrupt: 0,
    rows: 0,
  };
}

export function recordError(tally: Tally, kind: OperationKind, what: string): void {
  tally.operations[kind].errors++;
  const named = tally.errors.has(what) || tally.errors.size < ERROR_KINDS_MAX ? what : 'other';
  tally.errors.set(named, (tally.errors.get(named) ?? 0) + 1);
}

export function addTally(sum: Tally, more: Tally): void {
  for (const kind of operationKinds) {
    const [into, from] = [sum.operations[kind], more.operations[kind]];
    into.count += from.count;
    into.bytes += from.bytes;
    into.errors += from.errors;
    if (from.latency.count > 0) into.latency.add(from.latency);
  }
  for (const [what, count] of more.errors)
    sum.errors.set(what, (sum.errors.get(what) ?? 0) + count);
  sum.verified += more.verified;
  sum.corrupt += more.corrupt;
  sum.rows += more.rows;
}
