/** A volume under measurement, over NBD with fio; its JSON becomes rows like those of the object stores. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Static, Type } from 'typebox';
import { Failure, messageOf } from '#common';
import { type MachineUse, watchMachine } from './processes.ts';
import type { Latency, OperationResult, Row } from './result.ts';
import { machineColumns, round } from './row.ts';
import { check, parseJson, type Target } from './target.ts';
import type { VolumeWorkload } from './workload.ts';

export type VolumeTarget = Extract<Target, { kind: 'nbd' }>;

const FIO_OUTPUT_BYTES_MAX = 16 * 1024 ** 2;
/** What fio gets beyond its own run time to connect, drain and report. */
const FIO_SPARE_MS = 120_000;
const FILL_BLOCK = '1m';
const FILL_DEPTH = 8;

const number = Type.Number();
const PercentilesSchema = Type.Optional(Type.Record(Type.String(), number));
const SideSchema = Type.Object({
  total_ios: number,
  io_bytes: number,
  iops: number,
  bw_bytes: number,
  clat_ns: Type.Object({ max: number, percentile: PercentilesSchema }),
});
const FioSchema = Type.Object({
  jobs: Type.Array(
    Type.Object({ error: number, job_runtime: number, read: SideSchema, write: SideSchema }),
    { minItems: 1 },
  ),
});
type FioJob = Static<typeof FioSchema>['jobs'][number];

const run = promisify(execFile);

export class VolumeBench {
  readonly #target: VolumeTarget;
  readonly #say: (line: string) => void;
  #filledBytes = 0;
  #verified = false;

  constructor(target: VolumeTarget, say: (line: string) => void) {
    this.#target = target;
    this.#say = say;
  }

  async run(workload: VolumeWorkload, roundNumber: number): Promise<Row> {
    await this.#prepare(workload);
    const startedAt = new Date();
    // fio counts nothing of its ramp; the watch would, so the warm-up is a run of its own.
    if (workload.warmUpS > 0)
      await this.#fio(argumentsOf(workload, workload.warmUpS), workload.warmUpS);
    const used = watchMachine(this.#target.server);
    const job = await this.#fio(argumentsOf(workload, workload.durationS), workload.durationS);
    const target = this.#target.name ?? 'nbd';
    return volumeRow({ workload, target, round: roundNumber, startedAt, job, machine: used() });
  }

  /** Once for a volume: written through, so that reads find data; and a part of it written and verified. */
  async #prepare(workload: VolumeWorkload): Promise<void> {
    if (!this.#verified) {
      this.#say('writing and verifying 64 MiB');
      const verify = [
        '--rw=randwrite',
        '--bs=64k',
        '--iodepth=16',
        '--verify=crc32c',
        '--do_verify=1',
      ];
      await this.#fio(
        [...verify, '--verify_fatal=1', `--size=${Math.min(64 * 1024 ** 2, workload.spanBytes)}`],
        60,
      );
      this.#verified = true;
    }
    if (this.#filledBytes >= workload.spanBytes) return;
    this.#say(`writing the volume's first ${Math.round(workload.spanBytes / 1024 ** 2)} MiB`);
    const fill = ['--rw=write', `--bs=${FILL_BLOCK}`, `--iodepth=${FILL_DEPTH}`, '--end_fsync=1'];
    await this.#fio([...fill, `--size=${workload.spanBytes}`], 600);
    this.#filledBytes = workload.spanBytes;
  }

  async #fio(args: readonly string[], expectedS: number): Promise<FioJob> {
    const fixed = [
      '--name=bench',
      '--ioengine=nbd',
      `--uri=${this.#target.uri}`,
      '--output-format=json',
    ];
    const percentiles = '--percentile_list=50:90:99:99.9';
    const options = { maxBuffer: FIO_OUTPUT_BYTES_MAX, timeout: expectedS * 1000 + FIO_SPARE_MS };
    let stdout: string;
    try {
      ({ stdout } = await run('fio', [...fixed, percentiles, ...args], options));
    } catch (cause) {
      const facts = { uri: this.#target.uri, said: messageOf(cause).slice(-300) };
      throw new Failure(
        'unreachable',
        'bench-fio',
        'fio failed; is it installed, and does the volume answer?',
        { facts, cause },
      );
    }
    // Notes may stand before the document.
    const document = check(FioSchema, parseJson(stdout.slice(stdout.indexOf('{')), 'fio'), 'fio');
    const [job] = document.jobs;
    if (job?.error !== 0) {
      throw new Failure('corrupt', 'bench-fio', 'fio met an error on the volume', {
        facts: { error: job?.error },
      });
    }
    return job;
  }
}

export function argumentsOf(workload: VolumeWorkload, durationS: number): string[] {
  return [
    `--rw=${workload.pattern}`,
    `--bs=${workload.blockBytes}`,
    `--iodepth=${workload.depth}`,
    `--size=${workload.spanBytes}`,
    '--time_based',
    `--runtime=${durationS}`,
    ...(workload.flushEvery > 0 ? [`--fsync=${workload.flushEvery}`] : []),
  ];
}

interface VolumeRun {
  readonly workload: VolumeWorkload;
  readonly target: string;
  readonly round: number;
  readonly startedAt: Date;
  readonly job: FioJob;
  readonly machine: MachineUse;
}

function volumeRow(from: VolumeRun): Row {
  const { workload, job, machine } = from;
  const writes = job.write.total_ios > 0;
  const side = writes ? job.write : job.read;
  const operation = operationOf(side);
  const { name, ...settings } = workload;
  return {
    workload: name,
    target: from.target,
    round: from.round,
    settings,
    started_at: from.startedAt.toISOString(),
    elapsed_s: round(job.job_runtime / 1000, 3),
    total: operation,
    operations: { [writes ? 'write' : 'read']: operation },
    error_kinds: {},
    verified: 0,
    corrupt: 0,
    ...machineColumns(machine, side.total_ios),
    // One fio job is one thread: its CPU is the busy share of that thread.
    generator_bound: machine.generatorCpuS / machine.elapsedS > 0.9,
  };
}

function operationOf(side: FioJob['read']): OperationResult {
  const percentiles = side.clat_ns.percentile ?? {};
  const ms = (ns: number | undefined): number => round((ns ?? 0) / 1e6, 4);
  const latency: Latency = {
    p50: ms(percentiles['50.000000']),
    p90: ms(percentiles['90.000000']),
    p99: ms(percentiles['99.000000']),
    p99_9: ms(percentiles['99.900000']),
    max: ms(side.clat_ns.max),
  };
  return {
    count: side.total_ios,
    ops_per_s: round(side.iops, 1),
    mb_per_s: round(side.bw_bytes / 1e6, 1),
    errors: 0,
    latency_ms: latency,
  };
}
