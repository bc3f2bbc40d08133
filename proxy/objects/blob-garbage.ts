/**
 * Deletes the blobs of objects that were replaced or deleted: after a delay, for readers that are still at them, and
 * only when a majority says that the row does not refer to them. What does not fit in the queue, what fails, and what is
 * still waiting when the process ends stays behind as blobs without a row, which reclaim finds.
 */
import type { Blobs, RowRef, Tables } from '#cluster';
import { type Clock, type Logger, messageOf } from '#common';
import type { ProxySettings } from '../settings.ts';
import { BlobShares } from './blob-shares.ts';
import { DelayQueue } from './delay-queue.ts';
import { type BodyBlob, decodeObjectRow } from './rows/object-row.ts';

interface Waiting {
  readonly refs: readonly RowRef[];
  readonly blobs: readonly BodyBlob[];
  /** The row that had borrowed them. */
  readonly borrower: RowRef | undefined;
}

export interface BlobGarbageOptions {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: Pick<ProxySettings, 'blobDeleteDelayMs' | 'blobDeletesMax'>;
  /** No other process writes or reads these rows: then `hold` knows of everybody who uses a blob. */
  readonly soleCoordinator?: boolean;
}

/** For a request of this very process that has read the row and not yet begun to read its blobs. */
const soonMsMax = 2_000;

export class BlobGarbage {
  private readonly options: BlobGarbageOptions;
  private readonly shares: BlobShares;
  private readonly soon: DelayQueue<Waiting>;
  private readonly late: DelayQueue<Waiting>;
  private closed = false;
  private readonly held = new Map<string, number>();
  /** Entries that did not fit and were left to reclaim. */
  overflowed = 0;

  constructor(options: BlobGarbageOptions) {
    this.options = options;
    this.shares = new BlobShares(options.tables);
    const { clock, settings } = options;
    const soonMs = Math.min(settings.blobDeleteDelayMs, soonMsMax);
    this.late = new DelayQueue(clock, settings.blobDeleteDelayMs, (entry) =>
      this.handle(this.late, entry),
    );
    this.soon = new DelayQueue(clock, soonMs, (entry) => this.handle(this.soon, entry));
  }

  get length(): number {
    return this.soon.length + this.late.length;
  }

  /**
   * `refs` are the rows that may refer to them; without any nothing ever did. `own`: none but that row, and the put that wrote
   * it, ever knew these blobs; so whoever may still use them is held here, and where no other process does, a moment is enough.
   * `borrower`: they were another object's, and that row had them by reference.
   */
  add(
    refs: RowRef | readonly RowRef[] | undefined,
    blobs: readonly BodyBlob[],
    options: { readonly own?: boolean; readonly borrower?: RowRef } = {},
  ): void {
    if (blobs.length === 0) return;
    const isSoon = options.own === true && this.options.soleCoordinator === true;
    const rows = refs === undefined ? [] : 'table' in refs ? [refs] : refs;
    const entry = { refs: rows, blobs, borrower: options.borrower };
    this.queue(isSoon ? this.soon : this.late, entry);
  }

  /** Keeps blobs from being deleted by this process while they are read, or written into a row. Returns how to end that. */
  hold(blobs: readonly BodyBlob[]): () => void {
    const id = blobs[0]?.id;
    if (id === undefined) return nothing;
    this.held.set(id, (this.held.get(id) ?? 0) + 1);
    return () => {
      const left = (this.held.get(id) ?? 1) - 1;
      if (left === 0) this.held.delete(id);
      else this.held.set(id, left);
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([this.soon.close(), this.late.close()]);
  }

  private queue(queue: DelayQueue<Waiting>, entry: Waiting): void {
    if (this.closed || this.length >= this.options.settings.blobDeletesMax) this.overflowed += 1;
    else queue.add(entry);
  }

  private async handle(queue: DelayQueue<Waiting>, entry: Waiting): Promise<void> {
    if (this.held.has(entry.blobs[0]?.id ?? '')) {
      this.queue(queue, entry);
      return;
    }
    try {
      const live = await this.referredTo(entry.refs);
      for (const blob of entry.blobs)
        if (!live.has(blob.id) && (await this.shares.giveUp(blob.id, entry.borrower)))
          await this.options.blobs.delete(blob.id);
    } catch (error) {
      this.options.log.info({ reason: messageOf(error) }, 'blobs left to reclaim');
    }
  }

  private async referredTo(refs: readonly RowRef[]): Promise<ReadonlySet<string>> {
    const rows = await Promise.all(refs.map((ref) => this.options.tables.get(ref)));
    const blobs = rows.flatMap((row) => (row === undefined ? [] : decodeObjectRow(row).blobs));
    return new Set(blobs.map((blob) => blob.id));
  }
}

const nothing = (): void => undefined;
