/** The real Swift as a peer: runs the two scripts beside this file with the system's Python. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A step as both builders read it. */
export interface Step {
  readonly part_power: number;
  readonly replicas: number;
  readonly overload: number;
  readonly devices: readonly StepDevice[];
}

export interface StepDevice {
  readonly id: number;
  readonly region: number;
  readonly zone: number;
  readonly ip: string;
  readonly port: number;
  readonly device: string;
  readonly weight: number;
}

export interface SwiftFigures {
  readonly moved: number;
  readonly balance: number;
  readonly dispersion: number;
  readonly cpu: number;
}

export interface SwiftView {
  readonly replicas: number;
  readonly part_power: number;
  readonly version: number | null;
  readonly devices: readonly ({
    readonly id: number;
    readonly weight: number;
    readonly ip: string;
    readonly meta: string;
    readonly replication_port: number;
  } | null)[];
  readonly seen: readonly {
    readonly partition: number;
    readonly primaries: readonly number[];
    readonly handoffs: readonly number[];
  }[];
}

/** Applies the steps to one builder; with `ring`, each step's file is written as `<number>-<name>`. */
export function swiftBuild(steps: readonly Step[], ring?: string): SwiftFigures[] {
  return run('swift-build.py', { steps, seed: 1, ring: ring ?? null });
}

export function swiftRead(file: string, partitions: readonly number[]): SwiftView {
  return run('swift-read.py', { file, partitions });
}

function run<T>(script: string, command: object): T {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawnSync('/usr/bin/python3', [path], {
    input: JSON.stringify(command),
    maxBuffer: 2 ** 26,
  });
  if (child.status === 0) return JSON.parse(child.stdout.toString());
  const reason = child.error?.message ?? child.stderr.toString().trim().split('\n').at(-1);
  throw new Error(`The real Swift did not answer (Debian package python3-swift): ${reason}`);
}
