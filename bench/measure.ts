/**
 * Runs every workload on every target: round by round, workload by workload, target after target, so that what
 * disturbs the machine for a while disturbs all targets alike. Every other round the targets take turns the other
 * way round. The result file is written anew after each row: an interrupted run keeps what it has.
 */
import * as os from 'node:os';
import { Failure } from '#common';
import { ObjectBench } from './object-bench.ts';
import { RESULT_FORMAT, RESULT_VERSION, type Result, type Row, writeResult } from './result.ts';
import { QUIET_PCT } from './table.ts';
import { describeTarget, type Target } from './target.ts';
import { VolumeBench } from './volume-bench.ts';
import type { ObjectWorkload, VolumeWorkload } from './workload.ts';

export interface MeasureOptions {
  /** Workloads for object stores and for volumes; asked for only when such a target is there. */
  readonly objects: () => readonly ObjectWorkload[];
  readonly volumes: () => readonly VolumeWorkload[];
  readonly rounds: number;
  /** How often a row that others disturbed is run again; the least disturbed try counts. */
  readonly retries: number;
  readonly container: string;
  readonly workers: number;
  readonly deletes: number;
  readonly keep: boolean;
  readonly overwrite: boolean;
  readonly json: string | undefined;
  readonly say: (line: string) => void;
}

const SEED = 20_261_122;

/** One target, ready to run its workloads by their position. */
interface Bench {
  readonly count: number;
  run(at: number, round: number): Promise<Row>;
  close(): Promise<void>;
}

export async function measure(targets: readonly Target[], options: MeasureOptions): Promise<Row[]> {
  const benches: Bench[] = [];
  const rows: Row[] = [];
  try {
    for (const target of targets) benches.push(await openBench(target, options));
    const count = Math.min(...benches.map((bench) => bench.count));
    if (count === 0) throw new Failure('invalid', 'bench-empty', 'No workload is left to run');
    for (let round = 1; round <= options.rounds; round++) {
      const order = round % 2 === 1 ? benches : [...benches].reverse();
      for (let at = 0; at < count; at++) {
        for (const bench of order) {
          const row = await runQuietly(bench, { at, round }, options);
          rows.push(row);
          options.say(
            `round ${round}: ${row.workload} on ${row.target}: ${row.total.ops_per_s} ops/s`,
          );
          if (options.json !== undefined) writeResult(options.json, resultOf(targets, rows));
        }
      }
    }
  } finally {
    for (const bench of benches) await bench.close();
  }
  return rows;
}

async function runQuietly(
  bench: Bench,
  what: { readonly at: number; readonly round: number },
  options: MeasureOptions,
): Promise<Row> {
  let best = await bench.run(what.at, what.round);
  for (let tries = 0; tries < options.retries && best.other_pct > QUIET_PCT; tries++) {
    options.say(`${best.workload} on ${best.target}: others took ${best.other_pct} %, once more`);
    const again = await bench.run(what.at, what.round);
    if (again.other_pct < best.other_pct) best = again;
  }
  return best;
}

async function openBench(target: Target, options: MeasureOptions): Promise<Bench> {
  if (target.kind === 'nbd') return openVolume(target, options);
  const workloads = options.objects();
  const { container, workers, deletes, keep, say } = options;
  const bench = await ObjectBench.open(target, {
    container,
    workers,
    deletes,
    keep,
    say,
    seed: SEED,
  });
  return {
    count: workloads.length,
    run: async (at, round) => await bench.run(picked(workloads, at), round),
    close: async () => await bench.close(),
  };
}

function openVolume(target: Extract<Target, { kind: 'nbd' }>, options: MeasureOptions): Bench {
  if (!options.overwrite) {
    throw new Failure(
      'denied',
      'bench-overwrite',
      'A volume bench destroys what is on the volume: say --overwrite',
      {
        facts: { uri: target.uri },
      },
    );
  }
  const workloads = options.volumes();
  const bench = new VolumeBench(target, options.say);
  return {
    count: workloads.length,
    run: async (at, round) => await bench.run(picked(workloads, at), round),
    close: async () => {},
  };
}

function picked<T>(workloads: readonly T[], at: number): T {
  const found = workloads[at];
  if (found === undefined)
    throw new Failure('bug', 'bench-order', 'No such workload', { facts: { at } });
  return found;
}

function resultOf(targets: readonly Target[], rows: readonly Row[]): Result {
  return {
    format: RESULT_FORMAT,
    version: RESULT_VERSION,
    machine: {
      cpus: os.availableParallelism(),
      cpu_model: os.cpus()[0]?.model ?? 'unknown',
      memory_bytes: os.totalmem(),
      kernel: os.release(),
    },
    targets: targets.map(describeTarget),
    rows: [...rows],
  };
}
