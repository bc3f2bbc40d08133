/** When each of many things may happen next: a virtual clock per key that runs ahead of time by what was taken. */
import type { Clock } from '#common';
import type { SwiftSettings } from './settings.ts';

const keysMax = 10_000;

export class RateBook {
  private readonly clock: Clock;
  private readonly settings: Pick<SwiftSettings, 'rateBufferSeconds' | 'rateSleepMaxMs'>;
  private readonly dueMs = new Map<string, number>();

  constructor(clock: Clock, settings: Pick<SwiftSettings, 'rateBufferSeconds' | 'rateSleepMaxMs'>) {
    this.clock = clock;
    this.settings = settings;
  }

  /** Takes one turn: how long to wait for it, or undefined (nothing taken) when that is too long. */
  take(key: string, perSecond: number): number | undefined {
    const nowMs = this.clock.monotonicMs();
    const stepMs = 1000 / perSecond;
    const before = this.dueMs.get(key) ?? 0;
    // Unused turns are kept for a while, and no longer.
    const dueMs = nowMs - before > this.settings.rateBufferSeconds * 1000 ? nowMs : before;
    const waitMs = Math.max(0, dueMs - nowMs);
    if (waitMs > this.settings.rateSleepMaxMs) return undefined;
    this.dueMs.delete(key);
    this.dueMs.set(key, dueMs + stepMs);
    if (this.dueMs.size > keysMax) {
      const [oldest] = this.dueMs.keys();
      if (oldest !== undefined) this.dueMs.delete(oldest);
    }
    return waitMs;
  }
}
