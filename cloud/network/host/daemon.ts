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

  async stop(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    const until = this.clock.monotonicMs() + endMs;
    while (this.pid === pid && this.clock.monotonicMs() < until) await this.clock.sleep(stepMs);
    if (this.pid !== pid) return;
    process.kill(pid, 'SIGKILL');
    await this.clock.sleep(stepMs);
    if (this.pid === pid)
      throw new Failure('busy', 'daemon-stays', `${this.plan.program} does not end`, {
        facts: { pid },
      });
  }
}
