/**
 * Whether the volume is still this gateway's. Storage nodes refuse what an older epoch sends, but a write is acknowledged from memory and a FLUSH may be
 * from this host's own disk: a gateway that was frozen, or cut off, must not go on answering them. So nothing is acknowledged when the last sign
 * that the epoch is in force is older than `leaseMs`; asking costs a read of the head row, and happens ahead of time while there is work.
 */
import type { Tables } from '#cluster';
import { type Clock, isFailure } from '#common';
import { findHead, lostVolume, missingVolume } from './head-row.ts';

export interface LeaseOptions {
  readonly tables: Tables;
  readonly clock: Clock;
  readonly volumeId: string;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly retryMs: number;
  /** Someone else has the volume. */
  readonly lost: (failure: ReturnType<typeof lostVolume>) => void;
}

export class Lease {
  private readonly options: LeaseOptions;
  private confirmedMs: number;
  private asking: Promise<void> | undefined;

  constructor(options: LeaseOptions) {
    this.options = options;
    this.confirmedMs = options.clock.monotonicMs();
  }

  /** Something succeeded that only the holder can do, begun at `sinceMs`. */
  note(sinceMs: number): void {
    this.confirmedMs = Math.max(this.confirmedMs, sinceMs);
  }

  /** False when nothing may be acknowledged before `confirm` has answered. */
  holds(): boolean {
    const ageMs = this.options.clock.monotonicMs() - this.confirmedMs;
    const { leaseMs } = this.options;
    if (ageMs > leaseMs / 2) void this.ask().catch(() => undefined);
    return ageMs <= leaseMs;
  }

  /** Resolves when the volume is known to be ours; fails when it isn't. A store that can't say is asked again. */
  async confirm(): Promise<void> {
    while (!this.holds()) {
      try {
        await this.ask();
      } catch (error) {
        if (!isFailure(error, 'unreachable') && !isFailure(error, 'busy')) throw error;
        await this.options.clock.sleep(this.options.retryMs);
      }
    }
  }

  private ask(): Promise<void> {
    this.asking ??= this.askNow().finally(() => {
      this.asking = undefined;
    });
    return this.asking;
  }

  private async askNow(): Promise<void> {
    const { tables, clock, volumeId, epoch, lost } = this.options;
    const sinceMs = clock.monotonicMs();
    const head = await findHead(tables, volumeId);
    if (head?.epoch === epoch) {
      this.note(sinceMs);
      return;
    }
    const failure =
      head === undefined ? missingVolume(volumeId) : lostVolume(volumeId, epoch, head.epoch);
    lost(failure);
    throw failure;
  }
}
