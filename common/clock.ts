/** Time as a component: the system's clock, or a virtual one that a test or simulation moves by hand. */
import { Failure } from './failure.ts';

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in whole microseconds since 1970; may jump either way. */
  nowUs(): number;
  /** Milliseconds (fractional) since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`; a pending timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
  /** Resolves after `delayMs`; rejects with a `closed` Failure when `signal` aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

function sleepOn(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      timer.cancel();
      reject(
        new Failure('closed', 'sleep-aborted', 'The wait was called off', {
          cause: signal?.reason,
        }),
      );
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', stop);
      resolve();
    });
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}

export const systemClock: Clock = {
  // performance.timeOrigin + now() would not follow a clock that an administrator corrects, so Date it is.
  nowUs: () => Date.now() * 1000,
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  // A sleeper is awaited, so unlike `after` it must keep the process alive.
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(handle);
        reject(
          new Failure('closed', 'sleep-aborted', 'The wait was called off', {
            cause: signal?.reason,
          }),
        );
      };
      const handle = setTimeout(() => {
        signal?.removeEventListener('abort', stop);
        resolve();
      }, delayMs);
      if (signal?.aborted === true) stop();
      else signal?.addEventListener('abort', stop, { once: true });
    }),
};

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that stands still until it is moved; timers fire in order of time, then of creation. */
export class VirtualClock implements Clock {
  private elapsedMs = 0;
  private readonly originUs: number;
  private order = 0;
  private pending: Pending[] = [];

  constructor(originUs = 1_700_000_000_000_000) {
    this.originUs = originUs;
  }

  nowUs(): number {
    return this.originUs + Math.floor(this.elapsedMs * 1000);
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const entry = { atMs: this.elapsedMs + Math.max(0, delayMs), order: this.order++, run };
    this.pending.push(entry);
    return {
      cancel: () => {
        this.pending = this.pending.filter((other) => other !== entry);
      },
    };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Fires the next timer, if one is due within `withinMs`; false when none was. */
  step(withinMs = Number.POSITIVE_INFINITY): boolean {
    let next: Pending | undefined;
    for (const entry of this.pending) {
      const earlier = next === undefined || entry.atMs < next.atMs;
      if (earlier || (entry.atMs === next?.atMs && entry.order < next.order)) next = entry;
    }
    if (next === undefined || next.atMs > this.elapsedMs + withinMs) return false;
    const due = next;
    this.pending = this.pending.filter((entry) => entry !== due);
    this.elapsedMs = Math.max(this.elapsedMs, due.atMs);
    due.run();
    return true;
  }

  /** Moves time on by `ms`, letting promises settle between timers. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.elapsedMs + ms;
    do {
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (this.step(untilMs - this.elapsedMs));
    this.elapsedMs = Math.max(this.elapsedMs, untilMs);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
