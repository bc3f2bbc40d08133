/**
 * Has each device read and check everything that it stores, a little at a time. What is found bad is quarantined there, and
 * healed by `Heal`. After a whole pass it rests in proportion to what the pass cost: a small cloud is checked every half minute,
 * a large one when its turn comes.
 */
import { type Clock, isFailure, type StepOutcome } from '#common';
import type { CursorStore } from '../cursor.ts';
import type { Peer } from '../peer.ts';
import type { ReplicatorSettings } from '../settings.ts';
import type { Tally } from '../tally.ts';

export interface ScrubParts {
  readonly peer: Peer;
  readonly clock: Clock;
  readonly cursors: CursorStore;
  readonly tally: Tally;
  readonly settings: Pick<ReplicatorSettings, 'scrubBytes' | 'scrubPassRestRatio' | 'scrubEveryMs'>;
  /** Called when something bad was found. */
  readonly onBad: () => void;
}

const passRestMsMax = 7 * 86_400_000;
/** A restart goes over no more than this again. */
const savedEveryBytes = 256 * 1024 * 1024;

export class ScrubDevice {
  /** When the last pass ended, by the monotonic clock. */
  endedMs: number | undefined;
  private readonly parts: ScrubParts;
  private after: string | undefined;
  private begun = false;
  private workedMs = 0;
  private nextPassMs = 0;
  private sinceSavedBytes = 0;

  constructor(parts: ScrubParts) {
    this.parts = parts;
  }

  get device(): number {
    return this.parts.peer.device;
  }

  async step(_signal: AbortSignal): Promise<StepOutcome> {
    const { clock, peer, tally, settings, onBad } = this.parts;
    const startedMs = clock.monotonicMs();
    if (startedMs < this.nextPassMs) return 'idle';
    if (!this.begun) await this.begin();
    const where = this.after === undefined ? {} : { after: this.after };
    try {
      const reply = await peer.survey({ what: 'scrub', bytesMax: settings.scrubBytes, ...where });
      tally.scrubbedBytes += reply.bytes;
      tally.scrubbedRecords += reply.records;
      tally.foundBad += reply.bad;
      if (reply.bad > 0) onBad();
      this.after = reply.next;
      this.sinceSavedBytes += reply.bytes;
    } catch (error) {
      if (!isFailure(error)) throw error;
      return 'throttled';
    }
    this.workedMs += clock.monotonicMs() - startedMs;
    if (this.after !== undefined) {
      if (this.sinceSavedBytes >= savedEveryBytes) await this.save();
      return 'busy';
    }
    await this.end();
    return 'idle';
  }

  private async begin(): Promise<void> {
    const cursor = await this.parts.cursors.load(`scrub-${this.device}`);
    this.after = typeof cursor === 'string' ? cursor : undefined;
    this.begun = true;
  }

  private async save(): Promise<void> {
    this.sinceSavedBytes = 0;
    await this.parts.cursors.save(`scrub-${this.device}`, this.after);
  }

  private async end(): Promise<void> {
    const { clock, settings } = this.parts;
    const restMs = this.workedMs * settings.scrubPassRestRatio;
    this.endedMs = clock.monotonicMs();
    this.nextPassMs =
      this.endedMs + Math.min(Math.max(restMs, settings.scrubEveryMs), passRestMsMax);
    this.workedMs = 0;
    if (this.sinceSavedBytes < savedEveryBytes) return;
    await this.save();
  }
}
