/**
 * Deletes the blobs of objects that were replaced or deleted: after a delay, for readers that are still at them, and
 * only when a majority says that the row does not refer to them. What does not fit in the queue, what fails, and what is
 * still waiting when the process ends stays behind as blobs without a row, which reclaim finds.
 */
import type { Blobs, RowRef, Tables } from '#cluster';
import { type Clock, type Logger, messageOf, type Timer } from '#common';
import type { ProxySettings } from '../settings.ts';
import { type BodyBlob, decodeObjectRow } from './rows/object-row.ts';

interface Waiting {
  readonly ref: RowRef | undefined;
  readonly blobs: readonly BodyBlob[];
  readonly dueMs: number;
}

export interface BlobGarbageOptions {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: Pick<ProxySettings, 'blobDeleteDelayMs' | 'blobDeletesMax'>;
}

// Entries handled before the event loop is given back; each is a majority read and one or more deletes.
const batchMax = 16;

export class BlobGarbage {
  private readonly options: BlobGarbageOptions;
  private waiting: Waiting[] = [];
  private head = 0;
  private timer: Timer | undefined;
  private running: Promise<void> | undefined;
  private closed = false;
  private readonly reading = new Map<string, number>();
  /** Entries that did not fit and were left to reclaim. */
  overflowed = 0;

  constructor(options: BlobGarbageOptions) {
    this.options = options;
  }

  get length(): number {
    return this.waiting.length - this.head;
  }

  /** `ref` is the row that referred to them; without it nothing ever did. */
  add(ref: RowRef | undefined, blobs: readonly BodyBlob[]): void {
    if (blobs.length === 0) return;
    if (this.closed || this.length >= this.options.settings.blobDeletesMax) {
      this.overflowed += 1;
      return;
    }
    const dueMs = this.options.clock.monotonicMs() + this.options.settings.blobDeleteDelayMs;
    this.waiting.push({ ref, blobs, dueMs });
    this.arm(this.options.settings.blobDeleteDelayMs);
  }

  /** Keeps blobs from being deleted by this process while they are read. Returns how to end that. */
  hold(blobs: readonly BodyBlob[]): () => void {
    const id = blobs[0]?.id;
    if (id === undefined) return () => undefined;
    this.reading.set(id, (this.reading.get(id) ?? 0) + 1);
    return () => {
      const left = (this.reading.get(id) ?? 1) - 1;
      if (left === 0) this.reading.delete(id);
      else this.reading.set(id, left);
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    await this.running;
  }

  private arm(delayMs: number): void {
    if (this.timer !== undefined || this.running !== undefined || this.closed) return;
    this.timer = this.options.clock.after(delayMs, () => {
      this.timer = undefined;
      this.running = this.run().finally(() => {
        this.running = undefined;
        const next = this.waiting[this.head];
        if (next !== undefined)
          this.arm(Math.max(0, next.dueMs - this.options.clock.monotonicMs()));
      });
    });
  }

  private async run(): Promise<void> {
    for (let handled = 0; handled < batchMax && !this.closed; handled++) {
      const next = this.waiting[this.head];
      if (next === undefined || next.dueMs > this.options.clock.monotonicMs()) break;
      this.head += 1;
      await this.handle(next);
    }
    if (this.head > 1024 || this.head === this.waiting.length) {
      this.waiting = this.waiting.slice(this.head);
      this.head = 0;
    }
  }

  private async handle(entry: Waiting): Promise<void> {
    if (this.reading.has(entry.blobs[0]?.id ?? '')) {
      this.add(entry.ref, entry.blobs);
      return;
    }
    try {
      const live = await this.referredTo(entry.ref);
      for (const blob of entry.blobs)
        if (!live.has(blob.id)) await this.options.blobs.delete(blob.id);
    } catch (error) {
      this.options.log.info({ reason: messageOf(error) }, 'blobs left to reclaim');
    }
  }

  private async referredTo(ref: RowRef | undefined): Promise<ReadonlySet<string>> {
    if (ref === undefined) return new Set();
    const row = await this.options.tables.get(ref);
    return new Set(row === undefined ? [] : decodeObjectRow(row).blobs.map((blob) => blob.id));
  }
}
