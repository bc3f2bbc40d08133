/** The clock of one process on one machine: wrong by as much as it is told, and silent once the process is dead. */
import type { Clock, Timer, VirtualClock } from '#common';

export class HostClock implements Clock {
  /** How far the wall clock is off; it may be set at any time, and so jump. */
  readonly skew: { us: number };
  isAlive = true;
  private readonly time: VirtualClock;

  constructor(time: VirtualClock, skew: { us: number }) {
    this.time = time;
    this.skew = skew;
  }

  nowUs(): number {
    return this.time.nowUs() + this.skew.us;
  }

  monotonicMs(): number {
    return this.time.monotonicMs();
  }

  after(delayMs: number, run: () => void): Timer {
    return this.time.after(delayMs, () => {
      if (this.isAlive) run();
    });
  }

  /** Whoever sleeps in a process that dies is never woken. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.time.sleep(delayMs, signal).then(
        () => {
          if (this.isAlive) resolve();
        },
        (error: unknown) => {
          if (this.isAlive) reject(error);
        },
      );
    });
  }
}
