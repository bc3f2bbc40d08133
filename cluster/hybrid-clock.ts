/**
 * The coordinator's hybrid logical clock: versions that always rise, follow wall time when it is sane, and are newer
 * than every version this process has met.
 *
 * Wall time jumping back: versions go on from the last one, a microsecond at a time. Jumping ahead: they jump along and
 * stay ahead until wall time catches up. Neither loses a write, since whoever is superseded observes and tries again.
 *
 * Invariant: no two calls of `next` in a cluster return the same version; so `coordinator` must differ between
 * processes and between two starts of one process (wall time may have been set back in between).
 */
import { type Clock, Failure } from '#common';
import type { Version } from '#wire';

// 2^53 µs is the year 2255; a version near it comes from a broken clock, and following it would end all writing.
const timeUsMax = 2 ** 53 - 2 ** 43;

export class HybridClock {
  private readonly clock: Clock;
  private readonly coordinator: number;
  private lastUs = 0;

  constructor(clock: Clock, coordinator: number) {
    this.clock = clock;
    this.coordinator = coordinator;
  }

  next(): Version {
    this.lastUs = Math.max(this.clock.nowUs(), this.lastUs + 1);
    if (this.lastUs > timeUsMax) throw clockFailure(this.lastUs);
    return { timeUs: this.lastUs, coordinator: this.coordinator };
  }

  /** Makes every later version newer than this one. */
  observe(version: Version): void {
    if (version.timeUs > timeUsMax) throw clockFailure(version.timeUs);
    if (version.timeUs > this.lastUs) this.lastUs = version.timeUs;
  }
}

function clockFailure(timeUs: number): Failure {
  return new Failure('bug', 'clock-out-of-range', 'A row version lies centuries ahead', {
    facts: { timeUs },
  });
}
