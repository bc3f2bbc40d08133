/** How far a step is: reported as often as it likes, written once a second at most. */
import { type Clock, type Logger, messageOf } from '#common';
import type { Lease, OperationStore } from './store.ts';

const writeEveryMs = 1_000;

export interface ProgressParts {
  readonly store: OperationStore;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Progress {
  private readonly parts: ProgressParts;
  private readonly lease: Lease;
  private writtenMs = Number.NEGATIVE_INFINITY;
  private writing: Promise<void> | undefined;

  constructor(parts: ProgressParts, lease: Lease) {
    this.parts = parts;
    this.lease = lease;
  }

  report(done: number, total: number, unit: string): void {
    const nowMs = this.parts.clock.monotonicMs();
    if (this.writing !== undefined || nowMs - this.writtenMs < writeEveryMs) return;
    this.writtenMs = nowMs;
    this.writing = this.write(done, total, unit).finally(() => {
      this.writing = undefined;
    });
  }

  async close(): Promise<void> {
    await this.writing;
  }

  private async write(done: number, total: number, unit: string): Promise<void> {
    const { store, clock, log } = this.parts;
    try {
      await store.update(store.db, this.lease, {
        progress_done: Math.trunc(done),
        progress_total: Math.trunc(total),
        progress_unit: unit,
        updated_at_us: clock.nowUs(),
      });
    } catch (error) {
      // Only what people see is late; a lost lease is noticed where it matters.
      log.debug({ operation: this.lease.id }, `progress was not written: ${messageOf(error)}`);
    }
  }
}
