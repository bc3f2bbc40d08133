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
  /** Undefined once it was called off. */
  run: (() => void) | undefined;
}

/** A clock that stands still until it is moved; timers fire in order of time, then of creation. */
export class VirtualClock implements Clock {
  private elapsedMs = 0;
  private readonly originUs: number;
  private order = 0;
  /** A heap, the next one first. */
  private readonly pending: Pending[] = [];

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
    const atMs = this.elapsedMs + Math.max(0, delayMs);
    const entry: Pending = { atMs, order: this.order++, run };
    pushPending(this.pending, entry);
    return {
      cancel: () => {
        entry.run = undefined;
      },
    };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Fires the next timer, if one is due within `withinMs`; false when none was. */
  step(withinMs = Number.POSITIVE_INFINITY): boolean {
    while (this.pending[0] !== undefined && this.pending[0].run === undefined)
      popPending(this.pending);
    const next = this.pending[0];
    if (next === undefined || next.atMs > this.elapsedMs + withinMs) return false;
    popPending(this.pending);
    this.elapsedMs = Math.max(this.elapsedMs, next.atMs);
    next.run?.();
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

const isBefore = (one: Pending, other: Pending): boolean =>
  one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);

function pushPending(heap: Pending[], entry: Pending): void {
  let at = heap.push(entry) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isBefore(entry, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = entry;
}

function popPending(heap: Pending[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    const [one, other] = [heap[left], heap[left + 1]];
    if (one === undefined) break;
    const isRight = other !== undefined && isBefore(other, one);
    const child = isRight ? other : one;
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = isRight ? left + 1 : left;
  }
  heap[at] = last;
}
