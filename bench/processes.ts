/** CPU time of processes, read from /proc: the server's, the generator's, and what the rest of the machine took. */
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Failure } from '#common';
import type { ServerPlace } from './target.ts';

interface ProcessTime {
  readonly parent: number;
  /** User and system time with that of children that have ended. */
  readonly cpuS: number;
  readonly isKernel: boolean;
}

type Processes = ReadonlyMap<number, ProcessTime>;

const KERNEL_THREAD_FLAG = 0x200000;
let ticksPerSecond: number | undefined;

function ticks(): number {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return ticksPerSecond;
}

/** The fields of /proc/PID/stat after the command's name, which may hold anything. */
export function parseStat(stat: string, ticksEach: number): ProcessTime {
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const at = (index: number): number => fields[index] ?? 0;
  return {
    parent: at(1),
    cpuS: (at(11) + at(12) + at(13) + at(14)) / ticksEach,
    isKernel: (at(6) & KERNEL_THREAD_FLAG) !== 0,
  };
}

function readProcesses(): Processes {
  const found = new Map<number, ProcessTime>();
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      found.set(Number(entry), parseStat(fs.readFileSync(`/proc/${entry}/stat`, 'utf8'), ticks()));
    } catch (error) {
      // It ended between the listing and the reading; its time is in its parent's.
      if (
        !(
          error instanceof Error &&
          'code' in error &&
          ['ENOENT', 'ESRCH'].includes(`${error.code}`)
        )
      )
        throw error;
    }
  }
  return found;
}

/** Seconds that all processors were busy since the start of the machine, interrupts and stolen time included. */
function busyS(): number {
  const fields =
    fs
      .readFileSync('/proc/stat', 'utf8')
      .split('\n')[0]
      ?.trim()
      .split(/\s+/)
      .slice(1)
      .map(Number) ?? [];
  return [0, 1, 2, 5, 6, 7].reduce((sum, at) => sum + (fields[at] ?? 0), 0) / ticks();
}

export function family(processes: Processes, roots: readonly number[]): Set<number> {
  const children = new Map<number, number[]>();
  for (const [pid, { parent }] of processes)
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  const found = new Set<number>();
  const todo = [...roots];
  for (let pid = todo.pop(); pid !== undefined; pid = todo.pop()) {
    if (!processes.has(pid) || found.has(pid)) continue;
    found.add(pid);
    todo.push(...(children.get(pid) ?? []));
  }
  return found;
}

/** The processes that a target names, at this moment. */
export function serverRoots(place: ServerPlace | undefined): number[] {
  const roots = [...(place?.pids ?? [])];
  const folder = place?.pid_folder;
  if (folder === undefined) return roots;
  for (const file of fs.readdirSync(folder).filter((name) => /^pid$|\.pid$/.test(name))) {
    const pid = Number.parseInt(fs.readFileSync(join(folder, file), 'utf8'), 10);
    if (pid > 0) roots.push(pid);
  }
  if (roots.length === 0) {
    throw new Failure('missing', 'bench-pids', 'No pid file in this folder', { facts: { folder } });
  }
  return roots;
}

export interface MachineUse {
  readonly elapsedS: number;
  /** Absent when the target names no process. */
  readonly serverCpuS: number | undefined;
  readonly generatorCpuS: number;
  /** Percent of the whole machine. */
  readonly generatorPct: number;
  /** Percent of the whole machine that neither server, generator nor kernel threads took. */
  readonly otherPct: number;
  /** Memory of the server's processes at the end, shared pages divided among those that share them. */
  readonly serverMemoryBytes: number | undefined;
}

/** Starts to watch; the function it returns says what was used since. */
export function watchMachine(place: ServerPlace | undefined): () => MachineUse {
  const [before, startedMs, busyBefore] = [readProcesses(), performance.now(), busyS()];
  return () => {
    const [after, elapsedS] = [readProcesses(), (performance.now() - startedMs) / 1000];
    const busy = busyS() - busyBefore;
    const server = family(after, serverRoots(place));
    const own = [...family(after, [process.pid])].filter((pid) => !server.has(pid));
    const used = (pids: Iterable<number>): number => {
      let sum = 0;
      for (const pid of pids) sum += (after.get(pid)?.cpuS ?? 0) - (before.get(pid)?.cpuS ?? 0);
      return sum;
    };
    const [serverS, generatorS] = [used(server), used(own)];
    const kernelS = used([...after.keys()].filter((pid) => after.get(pid)?.isKernel));
    const whole = elapsedS * availableParallelism();
    const known = place?.pids !== undefined || place?.pid_folder !== undefined;
    return {
      elapsedS,
      serverCpuS: known ? serverS : undefined,
      generatorCpuS: generatorS,
      generatorPct: (100 * generatorS) / whole,
      otherPct: (100 * Math.max(0, busy - serverS - generatorS - kernelS)) / whole,
      serverMemoryBytes: known ? memoryOf(server) : undefined,
    };
  };
}

function memoryOf(pids: Iterable<number>): number {
  let sum = 0;
  for (const pid of pids) {
    try {
      const rollup = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      sum += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
    } catch (error) {
      if (
        !(
          error instanceof Error &&
          'code' in error &&
          ['ENOENT', 'ESRCH'].includes(`${error.code}`)
        )
      )
        throw error;
    }
  }
  return sum;
}

/** Bytes that a folder's files occupy on disk. */
export function bytesOnDisk(folder: string | undefined): number | undefined {
  if (folder === undefined) return undefined;
  // Files come and go while du walks, which makes it exit with 1; the sum it prints is still the answer.
  const { stdout } = spawnSync('du', ['-s', '--block-size=1', folder], { encoding: 'utf8' });
  const bytes = Number.parseInt(stdout, 10);
  if (Number.isNaN(bytes)) {
    throw new Failure('missing', 'bench-data-folder', 'The data folder cannot be measured', {
      facts: { folder },
    });
  }
  return bytes;
}
