/** Turns what a run counted into a row of the result. */
import type { RecordableHistogram } from 'node:perf_hooks';
import type { LoadResult } from './load.ts';
import type { MachineUse } from './processes.ts';
import type { Latency, OperationResult, Row } from './result.ts';
import { newHistogram, type OperationTally, type Tally } from './tally.ts';
import { type ObjectWorkload, operationKinds } from './workload.ts';

/** Above this busy share of a load thread its own pace may be what was measured. */
const BOUND_UTILIZATION = 0.9;

export interface ObjectRun {
  readonly workload: ObjectWorkload;
  readonly target: string;
  readonly round: number;
  readonly startedAt: Date;
  readonly result: LoadResult;
  readonly readBack: Tally | undefined;
  readonly machine: MachineUse;
  readonly diskBytes: number | undefined;
}

export function objectRow(run: ObjectRun): Row {
  const { workload, result, machine, readBack } = run;
  const { tally, elapsedS } = result;
  const kinds = operationKinds.filter((kind) => {
    const { count, errors } = tally.operations[kind];
    return count + errors > 0;
  });
  const { name, ...settings } = workload;
  const total = sumOf(tally);
  const writes = tally.operations.write.count;
  return {
    workload: name,
    target: run.target,
    round: run.round,
    settings,
    started_at: run.startedAt.toISOString(),
    elapsed_s: round(elapsedS, 3),
    total: operationResult(total, elapsedS),
    operations: Object.fromEntries(
      kinds.map((kind) => [kind, operationResult(tally.operations[kind], elapsedS)]),
    ),
    error_kinds: {
      ...Object.fromEntries(tally.errors),
      ...Object.fromEntries([...(readBack?.errors ?? [])].map(([what, n]) => [`back: ${what}`, n])),
    },
    verified: tally.verified + (readBack?.verified ?? 0),
    // A body that cannot be read back although its write was acknowledged counts as wrong.
    corrupt: tally.corrupt + (readBack?.operations.read.errors ?? 0),
    ...machineColumns(machine, total.count),
    generator_utilization: round(result.utilization, 3),
    generator_bound: result.utilization > BOUND_UTILIZATION,
    ...(run.diskBytes !== undefined &&
      writes > 0 && { disk_bytes_per_write: Math.round(run.diskBytes / writes) }),
  };
}

/** The columns that every kind of run has. */
export function machineColumns(machine: MachineUse, operations: number) {
  const each = 1000 / Math.max(1, operations);
  return {
    ...(machine.serverCpuS !== undefined && {
      server_cpu_s: round(machine.serverCpuS, 3),
      server_cpu_ms_per_op: round(machine.serverCpuS * each, 5),
    }),
    ...(machine.serverMemoryBytes !== undefined && {
      server_memory_bytes: machine.serverMemoryBytes,
    }),
    generator_cpu_ms_per_op: round(machine.generatorCpuS * each, 5),
    generator_pct: round(machine.generatorPct, 1),
    other_pct: round(machine.otherPct, 1),
  };
}

function sumOf(tally: Tally): OperationTally {
  const sum: OperationTally = { count: 0, bytes: 0, errors: 0, latency: newHistogram() };
  for (const kind of operationKinds) {
    const one = tally.operations[kind];
    sum.count += one.count;
    sum.bytes += one.bytes;
    sum.errors += one.errors;
    if (one.latency.count > 0) sum.latency.add(one.latency);
  }
  return sum;
}

function operationResult(tally: OperationTally, elapsedS: number): OperationResult {
  return {
    count: tally.count,
    ops_per_s: round(tally.count / elapsedS, 2),
    mb_per_s: round(tally.bytes / elapsedS / 1e6, 2),
    errors: tally.errors,
    ...(tally.count > 0 && { latency_ms: latencyOf(tally.latency) }),
  };
}

function latencyOf(histogram: RecordableHistogram): Latency {
  const ms = (percent: number): number => round(histogram.percentile(percent) / 1000, 3);
  return {
    p50: ms(50),
    p90: ms(90),
    p99: ms(99),
    p99_9: ms(99.9),
    max: round(histogram.max / 1000, 3),
  };
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
