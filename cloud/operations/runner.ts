/**
 * Works on one operation whose lease this process holds.
 *
 *  1. Before a step: its record says that it has begun (so that a step which kills its process is noticed).
 *  2. The step runs, with a deadline and a signal.
 *  3. Its result, its `commit`, and the move to the next step are one transaction, fenced by the lease's epoch.
 *  4. A failure that waiting can cure: the lease is given back and the operation is due later. Any other: undo, in reverse,
 *     from the step that failed; undoing does not give up.
 *  5. The end, and the workflow's `ended`, are one transaction.
 *
 * Killed at any point, the next holder finds the last committed line of this list and goes on from there.
 */
import { Value } from 'typebox/value';
import { type Clock, Failure, isFailure, type Logger, messageOf } from '#common';
import type { ChildStarter } from './children.ts';
import type { Observe } from './operations.ts';
import { Progress } from './progress.ts';
import { hasEnded, type OperationError, type OperationRow, operationOf } from './record.ts';
import type { OperationSettings } from './settings.ts';
import { leaseOf, type OperationStore } from './store.ts';
import type { Step, StepContext, StepResult, Workflow } from './workflow.ts';

export interface RunnerParts {
  readonly store: OperationStore;
  readonly settings: OperationSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly children: ChildStarter;
  /** A test stops here to see what a crash at this very point does. */
  readonly reached: (point: string) => void;
  readonly observe: Observe;
  /** What runs here of this operation's children is to stop. */
  childrenCancelled(parentId: string): void;
  stepEnded(workflow: string, step: string, seconds: number, worked: boolean): void;
}

/** Not now: what to write with the lease's return. */
interface Pause {
  readonly waitMs: number;
  readonly set?: { readonly attempts: number; readonly error?: string };
}

/** Why the signal of a step was given. */
export type StopReason = 'cancelled' | 'timeout' | 'lease-lost' | 'closing';

// A process that was killed in a step may begin it again so often before that counts as a failure of the step.
const startsMax = 5;
const memoryCharactersMax = 65_536;
/** A step that was told to stop gets so long to do so. */
const graceMs = 10_000;

export class Runner {
  private readonly parts: RunnerParts;
  private readonly workflow: Workflow;
  private row: OperationRow;
  private stopping: StopReason | undefined;
  private current: AbortController | undefined;

  constructor(parts: RunnerParts, workflow: Workflow, row: OperationRow) {
    this.parts = parts;
    this.workflow = workflow;
    this.row = row;
  }

  get parentId(): string | null {
    return this.row.parent_id;
  }

  get lease() {
    return leaseOf(this.row);
  }

  /** Ends the step that runs, if it may be ended. */
  stop(reason: StopReason): void {
    if (reason === 'cancelled' && !this.mayUndo()) return;
    if (this.stopping !== 'lease-lost') this.stopping = reason;
    this.current?.abort(reason);
  }

  /** Returns how long until it is due again; nothing when it has ended or belongs to another. */
  async run(): Promise<number | undefined> {
    for (;;) {
      if (this.stopping === 'lease-lost') return undefined;
      if (this.stopping === 'closing') return this.release({ waitMs: 0 });
      const pause = await this.advance();
      if (pause !== undefined) return this.release(pause);
      if (hasEnded(this.row)) return undefined;
    }
  }

  /** Something went wrong outside any step: later, by whoever comes first. */
  giveBack(): Promise<number> {
    return this.release({ waitMs: this.parts.settings.retryMsMax });
  }

  /** One step forward or back. */
  private async advance(): Promise<Pause | undefined> {
    if (this.row.undoing === 1) return this.undoNext();
    const cancel = this.row.cancel_asked === 1 || this.stopping === 'cancelled';
    if (cancel && this.mayUndo()) return this.turnBack(undefined);
    const step = this.workflow.steps[this.row.step];
    if (step === undefined) return this.end('succeeded');
    return this.runStep(step);
  }

  private mayUndo(): boolean {
    return this.row.step < this.workflow.pointOfNoReturn;
  }

  private async runStep(step: Step<unknown>): Promise<Pause | undefined> {
    if (this.row.starts >= startsMax) {
      const facts = { starts: this.row.starts };
      return this.failed(
        step,
        new Failure('bug', 'step-crashes', 'The process ended in this step', { facts }),
      );
    }
    await this.begin(step);
    this.parts.reached(`${step.name}:begun`);
    const startedMs = this.parts.clock.monotonicMs();
    try {
      const result = (await this.within(step, (context) => step.run(context))) ?? {};
      this.parts.reached(`${step.name}:worked`);
      await this.done(step, result);
      this.account(step, startedMs, true);
      this.parts.reached(`${step.name}:recorded`);
      return result.againAfterMs === undefined ? undefined : { waitMs: result.againAfterMs };
    } catch (error) {
      if (this.isEndOfLease(error)) return undefined;
      this.account(step, startedMs, false);
      return this.failed(step, error);
    }
  }

  private account(step: Step<unknown>, startedMs: number, worked: boolean): void {
    const seconds = (this.parts.clock.monotonicMs() - startedMs) / 1000;
    this.parts.stepEnded(this.workflow.name, step.name, seconds, worked);
  }

  private isEndOfLease(error: unknown): boolean {
    if (isFailure(error) && error.code === 'lease-lost') this.stopping = 'lease-lost';
    return this.stopping === 'lease-lost' || this.stopping === 'closing';
  }

  private async begin(step: Step<unknown>): Promise<void> {
    const nowUs = this.parts.clock.nowUs();
    this.row = await this.parts.store.transaction(async (tx) => {
      const row = await this.parts.store.update(tx, this.lease, {
        starts: this.row.starts + 1,
        step_name: step.name,
        updated_at_us: nowUs,
      });
      await this.parts.store.writeStep(tx, this.stepRow(step, 'running', nowUs, undefined));
      return row;
    });
  }

  private stepRow(
    step: Step<unknown>,
    state: 'running' | 'done' | 'failed' | 'undone',
    nowUs: number,
    error: OperationError | undefined,
  ) {
    return {
      operation_id: this.row.id,
      number: this.row.step,
      name: step.name,
      state,
      attempts: this.row.attempts + (state === 'failed' ? 1 : 0),
      started_at_us: nowUs,
      ended_at_us: state === 'running' ? null : nowUs,
      error: error === undefined ? null : JSON.stringify(error),
    };
  }

  /** Runs `work` with the step's deadline; a step that does not stop when told is left behind, fenced. */
  private async within<T>(
    step: Step<unknown>,
    work: (context: StepContext<unknown>) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.parts;
    const controller = new AbortController();
    this.current = controller;
    const deadline = clock.after(step.timeoutMs, () => controller.abort('timeout'));
    if (this.stopping !== undefined && this.row.undoing === 0) controller.abort(this.stopping);
    const progress = new Progress(this.parts, this.lease);
    const settled = new AbortController();
    try {
      const working = work(this.contextFor(controller.signal, progress));
      return await Promise.race([working, this.abandoned(controller.signal, settled.signal)]);
    } finally {
      settled.abort();
      deadline.cancel();
      this.current = undefined;
      await progress.close();
    }
  }

  private abandoned(signal: AbortSignal, settled: AbortSignal): Promise<never> {
    return new Promise((_resolve, reject) => {
      const give = () => {
        const timer = this.parts.clock.after(graceMs, () => reject(stopFailure(signal)));
        settled.addEventListener('abort', () => timer.cancel(), { once: true });
      };
      if (signal.aborted) give();
      else signal.addEventListener('abort', give, { once: true });
    });
  }

  private contextFor(signal: AbortSignal, progress: Progress): StepContext<unknown> {
    const operation = operationOf(this.row);
    return {
      operation,
      input: this.input(),
      memory: operation.memory,
      signal,
      attempt: this.row.attempts + 1,
      progress: (done, total, unit = 'steps') => progress.report(done, total, unit),
      child: (start) => this.parts.children.start(this.row, start),
    };
  }

  private input(): unknown {
    const input: unknown = JSON.parse(this.row.input);
    if (Value.Check(this.workflow.input, input)) return input;
    throw new Failure(
      'corrupt',
      'operation-input',
      'The operation was written by another version',
      {
        facts: { operation: this.row.id },
      },
    );
  }

  private async done(step: Step<unknown>, result: StepResult): Promise<void> {
    const nowUs = this.parts.clock.nowUs();
    const again = result.againAfterMs;
    const memory = this.remembered(result);
    const next = this.workflow.steps[this.row.step + 1];
    this.row = await this.parts.store.transaction(async (tx, untyped) => {
      // First the fence: a lost lease must not let `commit` happen.
      const row = await this.parts.store.update(tx, this.lease, {
        memory,
        starts: 0,
        updated_at_us: nowUs,
        ...(again === undefined
          ? {
              step: this.row.step + 1,
              step_name: next?.name ?? step.name,
              attempts: 0,
              error: null,
              progress_done: null,
              progress_total: null,
              progress_unit: null,
            }
          : {}),
      });
      await result.commit?.(untyped);
      if (again === undefined)
        await this.parts.store.writeStep(tx, this.stepRow(step, 'done', nowUs, undefined));
      return row;
    });
  }

  private remembered(result: StepResult): string {
    if (result.remember === undefined) return this.row.memory;
    const text = JSON.stringify({ ...operationOf(this.row).memory, ...result.remember });
    if (text.length > memoryCharactersMax)
      throw new Failure('bug', 'operation-memory-full', 'Steps remember too much', {
        facts: { operation: this.row.id, characters: text.length },
      });
    return text;
  }

  private async failed(step: Step<unknown>, error: unknown): Promise<Pause | undefined> {
    const described = describe(step, error);
    this.parts.log.warn(
      { err: error, operation: this.row.id, workflow: this.workflow.name, step: step.name },
      'operation step failed',
    );
    const cancelled = this.stopping === 'cancelled' || this.row.cancel_asked === 1;
    const goesOn = !cancelled && isCurable(error) && this.row.attempts < step.retriesMax;
    if (this.mayUndo() && !goesOn) return this.turnBack(cancelled ? undefined : described);
    const { attempts } = this.row;
    const set = { attempts: attempts + 1, error: JSON.stringify(described) };
    return { waitMs: this.backOffMs(attempts), set };
  }

  /** From here on everything is taken back, beginning with the step that may be half done. */
  private async turnBack(error: OperationError | undefined): Promise<undefined> {
    const { store, clock } = this.parts;
    const nowUs = clock.nowUs();
    const step = this.workflow.steps[this.row.step];
    this.row = await store.transaction(async (tx) => {
      // A step that was never begun has nothing to take back.
      const begun = await store.hasBegun(tx, this.row.id, this.row.step);
      const row = await store.update(tx, this.lease, {
        undoing: 1,
        state: 'undoing',
        step: begun ? this.row.step : this.row.step - 1,
        attempts: 0,
        starts: 0,
        error: error === undefined ? null : JSON.stringify(error),
        updated_at_us: nowUs,
      });
      if (error !== undefined && step !== undefined)
        await store.writeStep(tx, this.stepRow(step, 'failed', nowUs, error));
      await store.askCancel(tx, 'parent_id', row.id, nowUs);
      return row;
    });
    if (this.stopping === 'cancelled') this.stopping = undefined;
    this.parts.childrenCancelled(this.row.id);
    this.parts.reached('turned-back');
    return undefined;
  }

  private async undoNext(): Promise<Pause | undefined> {
    // What children made may stand on what is to be taken back here.
    if (await this.parts.store.hasActiveChildren(this.row.id))
      return { waitMs: this.parts.settings.pollMs };
    const step = this.workflow.steps[this.row.step];
    if (step === undefined) return this.end(this.row.error === null ? 'cancelled' : 'failed');
    try {
      const { undo } = step;
      const result =
        undo === undefined ? undefined : await this.within(step, (context) => undo(context));
      this.parts.reached(`${step.name}:undone`);
      await this.undone(step, result ?? {});
      this.parts.reached(`${step.name}:undo-recorded`);
      return undefined;
    } catch (error) {
      if (this.isEndOfLease(error)) return undefined;
      this.parts.log.error(
        { err: error, operation: this.row.id, workflow: this.workflow.name, step: step.name },
        'an operation cannot be undone yet',
      );
      const { attempts } = this.row;
      return { waitMs: this.backOffMs(attempts), set: { attempts: attempts + 1 } };
    }
  }

  private async undone(step: Step<unknown>, result: Pick<StepResult, 'commit'>): Promise<void> {
    const { store, clock } = this.parts;
    const nowUs = clock.nowUs();
    const before = this.workflow.steps[this.row.step - 1];
    this.row = await store.transaction(async (tx, untyped) => {
      const row = await store.update(tx, this.lease, {
        step: this.row.step - 1,
        step_name: before?.name ?? step.name,
        attempts: 0,
        updated_at_us: nowUs,
      });
      await result.commit?.(untyped);
      await store.writeStep(tx, this.stepRow(step, 'undone', nowUs, undefined));
      return row;
    });
  }

  private async end(state: 'succeeded' | 'failed' | 'cancelled'): Promise<undefined> {
    const { store, clock } = this.parts;
    const nowUs = clock.nowUs();
    const row = await store.transaction(async (tx, untyped) => {
      const ended = await store.update(tx, this.lease, {
        state,
        step: Math.max(0, Math.min(this.row.step, this.workflow.steps.length - 1)),
        ended_at_us: nowUs,
        updated_at_us: nowUs,
        owner: null,
        lease_until_us: 0,
      });
      await this.workflow.ended(untyped, operationOf(ended), this.input());
      await this.parts.observe(untyped, operationOf(ended));
      if (ended.parent_id !== null)
        await tx
          .updateTable('operation')
          .set({ due_at_us: nowUs })
          .where('id', '=', ended.parent_id)
          .where('ended_at_us', 'is', null)
          .execute();
      return ended;
    });
    this.row = row;
    this.parts.reached('ended');
    return undefined;
  }

  /** Gives the lease back. */
  private async release({ waitMs, set }: Pause): Promise<number> {
    const nowUs = this.parts.clock.nowUs();
    this.row = await this.parts.store.update(this.parts.store.db, this.lease, {
      ...set,
      state: this.row.undoing === 1 ? 'undoing' : 'waiting',
      owner: null,
      lease_until_us: 0,
      starts: 0,
      due_at_us: nowUs + waitMs * 1000,
      updated_at_us: nowUs,
    });
    return waitMs;
  }

  private backOffMs(attempts: number): number {
    const { retryMs, retryMsMax } = this.parts.settings;
    return Math.min(retryMs * 2 ** Math.min(attempts, 20), retryMsMax);
  }
}

function stopFailure(signal: AbortSignal): Failure {
  return new Failure('busy', 'step-stopped', `The step did not end in time: ${signal.reason}`);
}

/** What waiting may cure: others are busy or out of reach. A library's plain error may be either, so it is tried again too. */
function isCurable(error: unknown): boolean {
  return !isFailure(error) || ['busy', 'unreachable', 'closed'].includes(error.kind);
}

function describe(step: Step<unknown>, error: unknown): OperationError {
  const message = messageOf(error).slice(0, 1000);
  return isFailure(error)
    ? { kind: error.kind, code: error.code, message, step: step.name }
    : { kind: 'bug', code: 'unexpected', message, step: step.name };
}
