/**
 * Works on tasks, a few at a time, and clears up what ended badly. Everything it needs to know is in the database: after
 * a crash any controller goes on, and what cannot go on fails with a reason.
 */
import { type Failure, isFailure, messageOf, type Timer } from '#common';
import { deleteDropped } from '../content/contents.ts';
import { dropUnfilled, endTransfers } from '../content/transfers.ts';
import type { ImageCore, Tx } from '../core.ts';
import type { TaskRow } from '../tables.ts';
import { failedImage } from './import.ts';
import { claimTask, endTask, releaseOwnTasks, removeExpiredTasks, renewTask } from './task-rows.ts';

export interface TaskContext {
  readonly task: TaskRow;
  /** Aborted when the service closes or the task is no longer ours. */
  readonly signal: AbortSignal;
}

/** Does the work; what it returns is written in the transaction that ends the task. */
export type TaskWork = (context: TaskContext) => Promise<(tx: Tx) => Promise<unknown>>;

export class TaskRunner {
  private readonly core: ImageCore;
  private readonly works: Readonly<Record<string, TaskWork>>;
  private readonly running = new Map<string, { stop: AbortController; ended: Promise<void> }>();
  private timer: Timer | undefined;
  private sweeping: Promise<void> | undefined;
  private closed = false;

  constructor(core: ImageCore, works: Readonly<Record<string, TaskWork>>) {
    this.core = core;
    this.works = works;
  }

  async open(): Promise<void> {
    await releaseOwnTasks(this.core);
    await this.core.change((tx) => endTransfers(this.core, tx, { heldBefore: true }));
    this.schedule(0);
  }

  /** There is something to do. */
  wake(): void {
    if (!this.closed && this.sweeping === undefined) this.schedule(0);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    for (const { stop } of this.running.values()) stop.abort();
    await this.sweeping;
    await Promise.all([...this.running.values()].map(({ ended }) => ended));
  }

  private schedule(delayMs: number): void {
    this.timer?.cancel();
    if (this.closed) return;
    this.timer = this.core.clock.after(delayMs, () => {
      this.sweeping = this.sweep().finally(() => {
        this.sweeping = undefined;
        this.schedule(this.core.settings.sweepMs);
      });
    });
  }

  private async sweep(): Promise<void> {
    try {
      await this.core.change(async (tx) => {
        await endTransfers(this.core, tx, {});
        await dropUnfilled(tx);
      });
      await removeExpiredTasks(this.core);
      await deleteDropped(this.core);
      while (!this.closed && this.running.size < this.core.settings.tasksInFlightMax) {
        const task = await claimTask(this.core, new Set(this.running.keys()));
        if (task === undefined) break;
        this.start(task);
      }
    } catch (error) {
      // The next sweep repeats it.
      if (!this.closed) this.core.log.error({ err: error }, 'cannot sweep images');
    }
  }

  private start(task: TaskRow): void {
    const stop = new AbortController();
    const ended = this.run(task, stop).finally(() => {
      this.running.delete(task.id);
      this.wake();
    });
    this.running.set(task.id, { stop, ended });
  }

  private async run(task: TaskRow, stop: AbortController): Promise<void> {
    const { core } = this;
    const renewal = this.keepAlive(task, stop);
    try {
      if (task.attempts > core.settings.taskAttemptsMax) throw tooOften(task);
      const finish = await this.workOf(task)({ task, signal: stop.signal });
      await core.change(async (tx) => {
        const result = await finish(tx);
        await endTask(core, tx, task, { status: 'success', result });
      });
    } catch (error) {
      // A service that closes leaves its tasks to whoever comes next.
      if (!stop.signal.aborted) await this.fail(task, error);
    } finally {
      renewal.stop();
    }
  }

  private workOf(task: TaskRow): TaskWork {
    const work = Object.hasOwn(this.works, task.type) ? this.works[task.type] : undefined;
    return work ?? (() => Promise.reject(new Error(`no work for tasks of type ${task.type}`)));
  }

  private keepAlive(task: TaskRow, stop: AbortController): { stop(): void } {
    const { core } = this;
    let timer: Timer | undefined;
    let over = false;
    const next = () => {
      timer = core.clock.after(core.settings.transferLeaseMs / 3, () => {
        renewTask(core, task).then(
          (ours) => {
            if (!ours) stop.abort();
            else if (!over) next();
          },
          (error: unknown) => {
            core.log.warn({ err: error, taskId: task.id }, 'cannot renew a task');
            if (!over) next();
          },
        );
      });
    };
    next();
    return {
      stop: () => {
        over = true;
        timer?.cancel();
      },
    };
  }

  private async fail(task: TaskRow, error: unknown): Promise<void> {
    const { core } = this;
    const expected = isFailure(error) && error.kind !== 'bug';
    if (!expected) core.log.error({ err: error, taskId: task.id }, 'task failed');
    const message = expected ? wordsOf(error) : 'An unexpected error ended the task.';
    try {
      await core.change(async (tx) => {
        await failedImage(core, tx, task, message);
        await endTask(core, tx, task, { status: 'failure', message });
      });
    } catch (second) {
      // Its lease runs out, and the task is done again or given up then.
      core.log.error({ err: second, taskId: task.id }, 'cannot record that a task failed');
    }
  }
}

function wordsOf(error: Failure): string {
  const { format, reason, why } = error.facts;
  if (reason !== undefined)
    return format === undefined
      ? String(reason)
      : `The image data was refused: as ${format}, ${reason}.`;
  return why === undefined ? messageOf(error) : String(why);
}

function tooOften(task: TaskRow): Error {
  return new Error(`task ${task.id} was begun ${task.attempts} times`);
}
