/** QEMU's processes, by the number that was written down for them. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type Clock, Failure, systemCodeOf } from '#common';
import { files } from './arguments.ts';

const endMs = 10_000;

/** The process ids of the guests in this folder that run, whoever started them. */
export function runningGuests(folder: string): number[] {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder).flatMap((id) => {
    const path = join(folder, id, files.pid);
    if (!fs.existsSync(path)) return [];
    const pid = Number(fs.readFileSync(path, 'utf8'));
    return isRunning(pid, id) ? [pid] : [];
  });
}

/** Whether the process of this number is still the guest's: numbers are given out anew. */
export function isRunning(pid: number, guestId: string): boolean {
  try {
    const line = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    return line.includes(`guest=${guestId},`);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT' || code === 'ESRCH') return false;
    throw error;
  }
}

/** Takes its power away, and waits until nothing of it is left. */
export async function endProcess(pid: number, clock: Clock): Promise<void> {
  const untilMs = clock.monotonicMs() + endMs;
  for (;;) {
    if (!signal(pid)) return;
    if (clock.monotonicMs() > untilMs)
      throw new Failure('unreachable', 'guest-undying', 'The guest does not end', {
        facts: { pid },
      });
    await clock.sleep(10);
  }
}

/** False when there is none, or only what its parent has not yet heard of. */
function signal(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return !/^\d+ \(.*\) Z/s.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ESRCH' || code === 'ENOENT') return false;
    throw error;
  }
}

/** `7.2.9` as 7002009; 0 when there is no such program. */
export function programVersion(program: string): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
    child.once('error', () => resolve(0));
    child.once('close', () => {
      const [, major = 0, minor = 0, patch = 0] = /version (\d+)\.(\d+)\.(\d+)/.exec(said) ?? [];
      resolve(Number(major) * 1_000_000 + Number(minor) * 1_000 + Number(patch));
    });
  });
}
