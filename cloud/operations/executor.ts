/** Finds operations that are due, works on a bounded number of them at once, and keeps their leases alive. */
import { type Clock, isFailure, type Logger, type Timer } from '#common';
import type { OperationRow } from './record.ts';
import { Runner, type RunnerParts, type StopReason } from './runner.ts';
import type { Workflow } from './workflow.ts';

export interface ExecutorParts extends Omit<RunnerParts, 'childrenCancelled'> {
  /** This process, the same at every start and of no other process that runs. */
  readonly owner: string;
  readonly workflows: ReadonlyMap<string, Workflow>;
}

const pruneEveryMs = 3_600_000;
const pruneMax = 500;

export class Executor {
  private readonly parts: ExecutorParts;
  private readonly runnerParts: RunnerParts;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly running = new Map<string, { runner: Runner; ended: Promise<void> }>();
  private readonly timers = new Set<Timer>();
  private looking: Promise<void> | undefined;
  private lookAgain = false;
  private closed = false;
  private prunedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ExecutorParts) {
    this.parts = parts;
    this.clock = parts.clock;
    this.log = parts.log;
    this.runnerParts = { ...parts, childrenCancelled: (id) => this.stopChildren(id) };
  }

  async open(): Promise<void> {
    await this.parts.store.releaseAll(this.parts.owner);
    this.every(this.parts.settings.pollMs, async () => this.wake());
    this.every(Math.floor(this.parts.settings.leaseMs / 3), () => this.renew());
    this.wake();
  }

  /** Looks for due operations at once. */
  wake(): void {
    if (this.closed) return;
    if (this.looking !== undefined) {
      this.lookAgain = true;
      return;
    }
    this.looking = this.look().finally(() => {
      this.looking = undefined;
      if (!this.lookAgain) return;
      this.lookAgain = false;
      this.wake();
    });
  }

  /** Tells the step that runs here, if it does. */
  stop(id: string, reason: StopReason): void {
    this.running.get(id)?.runner.stop(reason);
  }

  private stopChildren(parentId: string): void {
    for (const { runner } of this.running.values())
      if (runner.parentId === parentId) runner.stop('cancelled');
    this.wake();
  }

  get inFlight(): number {
    return this.running.size;
  }

  /** Ends what runs and gives the leases back, so that the next holder need not wait for them to run out. */
  async close(): Promise<void> {
    this.closed = true;
    for (const timer of this.timers) timer.cancel();
    await this.looking;
    const running = [...this.running.values()];
    for (const { runner } of running) runner.stop('closing');
    await Promise.all(running.map(({ ended }) => ended));
  }

  private every(delayMs: number, work: () => Promise<void>): void {
    if (this.closed) return;
    const timer = this.clock.after(delayMs, () => {
      this.timers.delete(timer);
      void this.guard(work).finally(() => this.every(delayMs, work));
    });
    this.timers.add(timer);
  }

  /** The database may be out of reach for a while; looking again is all there is to do. */
  private async guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.closed) this.log.error({ err: error }, 'operations cannot be looked after');
    }
  }

  private async look(): Promise<void> {
    await this.guard(async () => {
      await this.prune();
      const { store, settings, owner, workflows } = this.parts;
      const free = settings.inFlightMax - this.running.size;
      if (free <= 0 || workflows.size === 0 || this.closed) return;
      const nowUs = this.clock.nowUs();
      const rows = await store.claim({
        owner,
        workflows: [...workflows.keys()],
        except: [...this.running.keys()],
        max: free,
        nowUs,
        leaseUntilUs: nowUs + settings.leaseMs * 1000,
      });
      for (const row of rows) this.begin(row);
    });
  }

  private begin(row: OperationRow): void {
    const workflow = this.parts.workflows.get(row.workflow);
    if (workflow === undefined || this.running.has(row.id)) return;
    const runner = new Runner(this.runnerParts, workflow, row);
    const ended = this.work(runner, row.id);
    this.running.set(row.id, { runner, ended });
    if (this.closed) runner.stop('closing');
  }

  private async work(runner: Runner, id: string): Promise<void> {
    let dueMs: number | undefined;
    try {
      dueMs = await runner.run();
    } catch (error) {
      if (!isFailure(error) || error.code !== 'lease-lost') {
        this.log.error({ err: error, operation: id }, 'an operation stopped outside its steps');
        await this.guard(async () => {
          await runner.giveBack();
        });
      }
    } finally {
      this.running.delete(id);
      if (dueMs === undefined) this.wake();
      else this.wakeAfter(dueMs);
    }
  }

  private wakeAfter(delayMs: number): void {
    if (this.closed || delayMs >= this.parts.settings.pollMs) return;
    const timer = this.clock.after(delayMs, () => {
      this.timers.delete(timer);
      this.wake();
    });
    this.timers.add(timer);
  }

  private async renew(): Promise<void> {
    if (this.running.size === 0) return;
    const { store, owner, settings } = this.parts;
    const untilUs = this.clock.nowUs() + settings.leaseMs * 1000;
    const held = await store.renew(owner, [...this.running.keys()], untilUs);
    const byId = new Map(held.map((row) => [row.id, row]));
    for (const [id, { runner }] of this.running) {
      const row = byId.get(id);
      if (row === undefined || row.lease_epoch !== runner.lease.epoch) runner.stop('lease-lost');
      else if (row.cancel_asked === 1) runner.stop('cancelled');
    }
  }

  private async prune(): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.prunedMs < pruneEveryMs) return;
    const beforeUs = this.clock.nowUs() - this.parts.settings.keepDays * 86_400_000_000;
    const pruned = await this.parts.store.prune(beforeUs, pruneMax);
    if (pruned < pruneMax) this.prunedMs = nowMs;
  }
}
