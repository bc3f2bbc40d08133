/**
 * One daemon that outlives this process: started detached with a pid file, found again by it, ended on request.
 * A pid is believed only when that process really runs this program on this folder.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type Clock, Failure } from '#common';
import { run } from './commands.ts';

export interface DaemonPlan {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Where its pid, its control socket and its log are. */
  readonly folder: string;
  readonly namespace?: string | undefined;
}

const endMs = 5_000;
const stepMs = 50;

export class Daemon {
  readonly plan: DaemonPlan;
  private readonly clock: Clock;

  constructor(plan: DaemonPlan, clock: Clock) {
    this.plan = plan;
    this.clock = clock;
  }

  private get pidFile(): string {
    return join(this.plan.folder, `${this.plan.name}.pid`);
  }

  /** The running process, if it is ours. */
  get pid(): number | undefined {
    try {
      const pid = Number(fs.readFileSync(this.pidFile, 'utf8').trim());
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return line.includes(this.plan.program) && line.includes(this.pidFile) ? pid : undefined;
    } catch {
      // No pid file, or no such process any more.
      return undefined;
    }
  }

  /** Starts it unless it runs; ready when this returns. */
  async ensure(): Promise<'ran' | 'started'> {
    if (this.pid !== undefined) return 'ran';
    const { program, args, folder, name, namespace } = this.plan;
    await run(
      program,
      [
        ...args,
        '--detach',
        `--pidfile=${this.pidFile}`,
        `--log-file=${join(folder, `${name}.log`)}`,
        '-vconsole:off',
        '-vsyslog:off',
        '-vfile:warn',
      ],
      {
        namespace,
        env: { OVS_RUNDIR: folder, OVN_RUNDIR: folder, OVS_LOGDIR: folder, OVN_LOGDIR: folder },
      },
    );
    return 'started';
  }

  /** Ends it, by a signal unless `end` knows a better way, and waits until it is gone. */
  async stop(end?: () => Promise<unknown>): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    if (end === undefined || (await end()) === false) process.kill(pid, 'SIGTERM');
    // Its pid file goes first, the process and its devices later.
    if (await this.gone(pid, endMs)) return;
    process.kill(pid, 'SIGKILL');
    if (!(await this.gone(pid, endMs)))
      throw new Failure('busy', 'daemon-stays', `${this.plan.program} does not end`, {
        facts: { pid },
      });
  }

  private async gone(pid: number, withinMs: number): Promise<boolean> {
    const until = this.clock.monotonicMs() + withinMs;
    while (isAlive(pid)) {
      if (this.clock.monotonicMs() > until) return false;
      await this.clock.sleep(stepMs);
    }
    return true;
  }
}

/** A process that has ended and that nobody has asked after yet has no command line. */
function isAlive(pid: number): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    // There is no such process any more.
    return false;
  }
}
