/**
 * Sends sealed segments to the store, a few at once, in the order of their numbers. A store that refuses is asked again for as long as
 * the volume is open: the segments wait in memory and in the log, and when there are too many of them, writes wait too.
 *
 * Invariant: the upload of segment n begins only when all up to n - `uploadWindow` are durable.
 */
import type { Release } from '#cluster';
import { type Failure, isFailure, type Timer } from '#common';
import { type EngineContext, uploadWindow } from './context.ts';
import type { Pending } from './pending.ts';
import { encodeLines, encodeSegmentHeader } from './segment-format.ts';

export interface UploaderOptions {
  readonly context: EngineContext;
  readonly volumeId: string;
  readonly epoch: number;
  /** The number of the first segment that will come. */
  readonly first: number;
  /** Someone else has the volume now. */
  readonly lost: (failure: Failure) => void;
  readonly arrived: (pending: Pending) => void;
  /** Whether nothing changes in it any more; who says no calls `pump` when that has changed. */
  readonly ready: (pending: Pending) => boolean;
  /** From 0, there is memory enough, to 1, there is none left. */
  readonly pressure: () => number;
  /** No replica reads its buffer any more, not even one that the store did not wait for. */
  readonly released: (pending: Pending) => void;
}

interface Waiter {
  readonly number: number;
  readonly resolve: () => void;
  readonly reject: (failure: Failure) => void;
}

export class Uploader {
  private readonly options: UploaderOptions;
  private readonly stopping = new AbortController();
  private queue: Pending[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly ahead = new Set<number>();
  private waiters: Waiter[] = [];
  private stopped: Failure | undefined;
  /** Runs while the uploader rests from its last segment. */
  private resting: Timer | undefined;
  /** All segments up to this one are durable. */
  durableThrough: number;
  uploadedBytes = 0;

  constructor(options: UploaderOptions) {
    this.options = options;
    this.durableThrough = options.first - 1;
  }

  add(pending: Pending): void {
    this.queue.push(pending);
    this.pump();
  }

  /** How many segments are sealed and not durable. */
  get behind(): number {
    return this.queue.length + this.running.size;
  }

  /** Resolves when all segments up to `number` are durable. */
  durable(number: number): Promise<void> {
    if (this.durableThrough >= number) return Promise.resolve();
    if (this.stopped !== undefined) return Promise.reject(this.stopped);
    return new Promise((resolve, reject) => {
      this.waiters.push({ number, resolve, reject });
      this.pump();
    });
  }

  /** Ends what can be ended; waits for what the store is doing right now. */
  async stop(failure: Failure): Promise<void> {
    this.fail(failure);
    await Promise.all(this.running);
  }

  fail(failure: Failure): void {
    this.stopped ??= failure;
    this.resting?.cancel();
    this.stopping.abort(failure);
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter.reject(failure);
  }

  /** Begins what may begin now. */
  pump(): void {
    for (;;) {
      const next = this.queue[0];
      if (next === undefined || this.stopped !== undefined) return;
      if (this.running.size >= this.runningMax()) return;
      if (this.resting !== undefined && !this.hurries()) return;
      if (next.segment.number > this.durableThrough + uploadWindow) return;
      if (!this.options.ready(next)) return;
      this.queue.shift();
      const run = this.upload(next).finally(() => {
        this.running.delete(run);
        this.pump();
      });
      this.running.add(run);
    }
  }

  /** While memory is plenty and nobody waits, most of the machine is left to clients; the fuller it is the more haste is made. */
  private runningMax(): number {
    if (this.waiters.length > 0) return uploadWindow;
    return Math.min(uploadWindow, 1 + Math.floor(uploadWindow * 2 * this.options.pressure()));
  }

  private hurries(): boolean {
    return this.waiters.length > 0 || this.options.pressure() > 0.5;
  }

  /** Rests for as long as the last segment took, times what there is time for. */
  private restAfter(tookMs: number): void {
    const { clock, settings } = this.options.context;
    const spare = Math.max(0, 1 - 2 * this.options.pressure());
    this.resting?.cancel();
    this.resting = clock.after(tookMs * settings.uploadRestRatio * spare, () => {
      this.resting = undefined;
      this.pump();
    });
  }

  private async upload(pending: Pending): Promise<void> {
    const { volumeId, epoch, context } = this.options;
    const { number, blobId } = pending.segment;
    const data = pending.buffer.subarray(0, pending.usedBytes);
    const { entries, previous, together } = pending;
    const header = encodeSegmentHeader({
      volumeId,
      number,
      epoch,
      dataBytes: data.length,
      previous,
      together,
      entries,
    });
    const chunks = [header, ...encodeLines(data, { number, epoch }, pending.segment.cipher)];
    const lengthHint = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const fence = { scope: volumeId, epoch };
    const beganMs = context.clock.monotonicMs();
    for (let attempt = 0; this.stopped === undefined; attempt++) {
      try {
        pending.uploads++;
        const onReleased = (how: Release) => this.released(pending, how);
        await context.blobs.put(chunks, { id: blobId, fence, lengthHint, onReleased });
        this.uploadedBytes += lengthHint;
        if (this.stopped === undefined) this.restAfter(context.clock.monotonicMs() - beganMs);
        this.arrived(pending);
        return;
      } catch (error) {
        await this.rest(error, attempt, number);
      }
    }
  }

  private async rest(error: unknown, attempt: number, number: number): Promise<void> {
    const { context, volumeId, lost } = this.options;
    if (!isFailure(error) || error.kind === 'bug') throw error;
    if (error.kind === 'denied') {
      lost(error);
      return;
    }
    const delayMs = Math.min(context.settings.retryMsMax, 20 * 2 ** Math.min(attempt, 20));
    context.log.warn({ err: error, volumeId, number, delayMs }, 'a segment has to wait');
    try {
      await context.clock.sleep(delayMs, this.stopping.signal);
    } catch (aborted) {
      if (!isFailure(aborted, 'closed')) throw aborted;
    }
  }

  private released(pending: Pending, how: Release): void {
    if (how === 'unknown') pending.mayBeRead = true;
    if (--pending.uploads === 0) this.options.released(pending);
  }

  private arrived(pending: Pending): void {
    this.ahead.add(pending.segment.number);
    while (this.ahead.delete(this.durableThrough + 1)) this.durableThrough++;
    this.options.arrived(pending);
    const reached = this.waiters.filter((waiter) => waiter.number <= this.durableThrough);
    this.waiters = this.waiters.filter((waiter) => waiter.number > this.durableThrough);
    for (const waiter of reached) waiter.resolve();
    this.pump();
  }
}
