/** The result format, version 1: docs/formats/bench-result.md describes it for readers of other languages. */
import * as fs from 'node:fs';
import { type Static, Type } from 'typebox';
import { Failure } from '#common';
import { check, parseJson } from './target.ts';

export const RESULT_FORMAT = 'pileus-bench-result';
export const RESULT_VERSION = 1;
const RESULT_BYTES_MAX = 64 * 1024 ** 2;

const number = Type.Number();
const optionalNumber = Type.Optional(Type.Number());

const LatencySchema = Type.Object({
  p50: number,
  p90: number,
  p99: number,
  p99_9: number,
  max: number,
});
export type Latency = Static<typeof LatencySchema>;

const OperationSchema = Type.Object({
  count: number,
  ops_per_s: number,
  mb_per_s: number,
  errors: number,
  latency_ms: Type.Optional(LatencySchema),
});
export type OperationResult = Static<typeof OperationSchema>;

export const RowSchema = Type.Object({
  /** Name of the workload: rows of one name are the same work. */
  workload: Type.String(),
  target: Type.String(),
  round: Type.Integer({ minimum: 1 }),
  settings: Type.Record(Type.String(), Type.Unknown()),
  started_at: Type.String(),
  elapsed_s: number,
  /** All operations together, then each kind. */
  total: OperationSchema,
  operations: Type.Record(Type.String(), OperationSchema),
  error_kinds: Type.Record(Type.String(), number),
  verified: number,
  corrupt: number,
  server_cpu_ms_per_op: optionalNumber,
  server_cpu_s: optionalNumber,
  server_memory_bytes: optionalNumber,
  disk_bytes_per_write: optionalNumber,
  generator_cpu_ms_per_op: number,
  /** Percent of the machine. */
  generator_pct: number,
  /** Busy share of the busiest load thread, 0 to 1; absent for fio. */
  generator_utilization: optionalNumber,
  /** True when the generator may have been the limit. */
  generator_bound: Type.Boolean(),
  other_pct: number,
});
export type Row = Static<typeof RowSchema>;

export const ResultSchema = Type.Object({
  format: Type.Literal(RESULT_FORMAT),
  version: Type.Literal(RESULT_VERSION),
  machine: Type.Object({
    cpus: number,
    cpu_model: Type.String(),
    memory_bytes: number,
    kernel: Type.String(),
  }),
  targets: Type.Array(
    Type.Object({ name: Type.String(), kind: Type.String(), address: Type.String() }),
  ),
  rows: Type.Array(RowSchema, { maxItems: 100_000 }),
});
export type Result = Static<typeof ResultSchema>;

export function readResult(path: string): Result {
  let content: string;
  try {
    if (fs.statSync(path).size > RESULT_BYTES_MAX) {
      throw new Failure('invalid', 'bench-result', 'The result file is too large', {
        facts: { path },
      });
    }
    content = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('missing', 'bench-result', 'The result file cannot be read', {
      facts: { path },
      cause: error,
    });
  }
  return check(ResultSchema, parseJson(content, path), path);
}

export function writeResult(path: string, result: Result): void {
  fs.writeFileSync(path, `${JSON.stringify(result, undefined, 1)}\n`);
}
