/** Background work in small steps that measures its own cost and rests in proportion. */
import type { Clock } from './clock.ts';
import { isFailure } from './failure.ts';
import type { Logger } from './log.ts';

/** What one bounded step found: more to do at once, nothing for now, or told to slow down. */
export type StepOutcome = 'busy' | 'idle' | 'throttled';

export interface BackgroundWork {
  readonly name: string;
  /** One bounded step. A thrown Failure is logged and the worker rests; a cancelled signal ends it. */
  step(signal: AbortSignal): Promise<StepOutcome>;
}

export interface WorkerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds of rest per millisecond of work while busy: 3 means a quarter of the time at most. */
  readonly restRatio: number;
  readonly idleMs: number;
}

export interface RunningWorker {
  /** Ends after the current step. */
  stop(): Promise<void>;
}

// However long one step took, the next is not put off beyond this: a slow disk must not stop repair for hours.
const restMsMax = 60_000;

export function startWorker(work: BackgroundWork, options: WorkerOptions): RunningWorker {
  const stopping = new AbortController();
  const ended = run(work, options, stopping.signal);
  return {
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

async function run(
  work: BackgroundWork,
  options: WorkerOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const startedMs = options.clock.monotonicMs();
    const outcome = await attempt(work, options.log, signal);
    const workedMs = options.clock.monotonicMs() - startedMs;
    const restMs =
      outcome === 'busy' ? Math.min(workedMs * options.restRatio, restMsMax) : options.idleMs;
    try {
      await options.clock.sleep(restMs, signal);
    } catch (error) {
      if (!isFailure(error, 'closed')) throw error;
    }
  }
}

async function attempt(
  work: BackgroundWork,
  log: Logger,
  signal: AbortSignal,
): Promise<StepOutcome> {
  try {
    return await work.step(signal);
  } catch (error) {
    if (!signal.aborted) log.error({ err: error, worker: work.name }, 'background step failed');
    return 'throttled';
  }
}
