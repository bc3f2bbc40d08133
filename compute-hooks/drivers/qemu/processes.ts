/** QEMU's processes, by the number that was written down for them. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type Clock, Failure, systemCodeOf } from '#common';
import { files } from './arguments.ts';

const endMs = 10_000;

/** The ids of the guests in this folder whose processes run, whoever started them. */
export function runningGuests(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder).filter((id) => {
    const path = join(folder, id, files.pid);
    return fs.existsSync(path) && isRunning(Number(fs.readFileSync(path, 'utf8')), id);
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
