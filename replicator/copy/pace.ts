/** Keeps what is copied within so many bytes per second: whoever is about to copy waits until it is due. */
import type { Clock } from '#common';

export class Pace {
  private readonly clock: Clock;
  private readonly bytesPerSecond: number;
  private dueMs = 0;
  bytes = 0;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.clock = clock;
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Call with what is about to be copied. */
  async wait(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    const waitMs = this.dueMs - nowMs;
    this.bytes += bytes;
    this.dueMs = Math.max(nowMs, this.dueMs) + (bytes * 1000) / this.bytesPerSecond;
    // Timers are coarse; a debt of less than one tick is carried over.
    if (waitMs > 5) await this.clock.sleep(waitMs, signal);
  }
}
