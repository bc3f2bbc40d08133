/**
 * Sends sealed segments to the store, a few at once, in the order of their numbers. A store that refuses is asked again for as long as
 * the volume is open: the segments wait in memory and in the log, and when there are too many of them, writes wait too.
 *
 * Invariant: the upload of segment n begins only when all up to n - `uploadWindow` are durable.
 */
import type { Release } from '#cluster';
import { type Failure, isFailure } from '#common';
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

  /** Resolves when all segments up to `number` are durable. */
  durable(number: number): Promise<void> {
    if (this.durableThrough >= number) return Promise.resolve();
    if (this.stopped !== undefined) return Promise.reject(this.stopped);
    return new Promise((resolve, reject) => {
      this.waiters.push({ number, resolve, reject });
    });
  }

  /** Ends what can be ended; waits for what the store is doing right now. */
  async stop(failure: Failure): Promise<void> {
    this.fail(failure);
    await Promise.all(this.running);
  }

  fail(failure: Failure): void {
    this.stopped ??= failure;
    this.stopping.abort(failure);
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter.reject(failure);
  }

  private pump(): void {
    for (;;) {
      const next = this.queue[0];
      if (next === undefined || this.stopped !== undefined) return;
      if (next.segment.number > this.durableThrough + uploadWindow) return;
      this.queue.shift();
      const run = this.upload(next).finally(() => this.running.delete(run));
      this.running.add(run);
    }
  }

  private async upload(pending: Pending): Promise<void> {
    const { volumeId, epoch, context } = this.options;
    const { number, blobId } = pending.segment;
    const data = pending.buffer.subarray(0, pending.usedBytes);
    const { entries, previous } = pending;
    const header = encodeSegmentHeader({
      volumeId,
      number,
      epoch,
      dataBytes: data.length,
      previous,
      entries,
    });
    const chunks = [header, ...encodeLines(data, { number, epoch }, pending.segment.cipher)];
    const lengthHint = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const fence = { scope: volumeId, epoch };
    for (let attempt = 0; this.stopped === undefined; attempt++) {
      try {
        pending.uploads++;
        const onReleased = (how: Release) => this.released(pending, how);
        await context.blobs.put(chunks, { id: blobId, fence, lengthHint, onReleased });
        this.uploadedBytes += lengthHint;
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
