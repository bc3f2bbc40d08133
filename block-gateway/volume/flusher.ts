/**
 * FLUSH: everything written before it is on stable storage when it answers. All that wait share a round:
 *   1. every segment that is not in the store writes what it got since its last batch to its log file, as one batch;
 *   2. the files are synced, once each (`replicated`: the batches are blobs, and a majority of storage nodes has them);
 *   3. those that waited when the round began are answered.
 * When the log can't be written (a full or broken disk), the round seals the open segment and waits for the store instead.
 */
import { Failure, isFailure } from '#common';
import type { EngineContext } from './context.ts';
import type { LineCipher } from './line-cipher.ts';
import { encodeBatchHeader } from './log-format.ts';
import type { Pending } from './pending.ts';
import { deleteTail, putBatch } from './tail-blobs.ts';
import { pageBytes, roundUp, sectorBytes } from './units.ts';

export interface FlusherOptions {
  readonly context: EngineContext;
  readonly volumeId: string;
  readonly epoch: number;
  /** Segments that are not in the store, oldest first. */
  readonly pending: () => readonly Pending[];
  readonly cipher: LineCipher | undefined;
  /** From now on nothing that was written is changed in its place. */
  readonly freeze: () => void;
  /** Someone else has the volume now. */
  readonly lost: (failure: Failure) => void;
  /** The slow way: seal what is open and wait for the store. */
  readonly drain: () => Promise<void>;
}

export class Flusher {
  private readonly options: FlusherOptions;
  private round: Promise<void> | undefined;
  private next: Promise<void> | undefined;
  private logBroken = false;
  /** Entries appended and entries safe, since opening. */
  private appended = 0;
  private safe = 0;
  rounds = 0;

  constructor(options: FlusherOptions) {
    this.options = options;
  }

  noteAppend(): void {
    this.appended++;
  }

  flush(): Promise<void> {
    if (this.safe === this.appended) return Promise.resolve();
    if (this.next !== undefined) return this.next;
    if (this.round === undefined) return this.start();
    // The running round may have begun before some of what this FLUSH promises.
    const next = this.round
      .catch(() => undefined)
      .then(() => {
        this.next = undefined;
        return this.start();
      });
    this.next = next;
    return next;
  }

  /** Resolves when no round runs. */
  async idle(): Promise<void> {
    while (this.round !== undefined) await this.round.catch(() => undefined);
  }

  private start(): Promise<void> {
    const round = this.run().finally(() => {
      if (this.round === round) this.round = undefined;
    });
    this.round = round;
    return round;
  }

  private async run(): Promise<void> {
    const goal = this.appended;
    this.options.freeze();
    this.rounds++;
    const logged = await this.writeLog();
    if (!logged) await this.options.drain();
    this.safe = Math.max(this.safe, goal);
  }

  /** False when the log is of no use. */
  private async writeLog(): Promise<boolean> {
    const dirty = this.options
      .pending()
      .filter(
        (pending) => !pending.segment.durable && pending.loggedEntries < pending.entries.count,
      );
    const outcomes = await Promise.allSettled(dirty.map((pending) => this.writeBatch(pending)));
    let complete = true;
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') complete &&= outcome.value;
      else complete = this.noteBroken(outcome.reason);
    }
    return complete;
  }

  private noteBroken(error: unknown): false {
    if (!isFailure(error) || error.kind === 'bug') throw error;
    if (error.kind === 'denied') {
      this.options.lost(error);
      throw error;
    }
    if (error instanceof TailFailure) return false;
    // After a failed sync nobody knows what the disk holds, so this log is not believed again (cf. Rebello et al.,
    // "Can Applications Recover from fsync Failures?", 2020).
    this.logBroken = true;
    const { context, volumeId } = this.options;
    context.log.error({ err: error, volumeId }, 'the write log failed; FLUSH waits for the store');
    return false;
  }

  /** False when there is no log file to be had. */
  private async writeBatch(pending: Pending): Promise<boolean> {
    const { context, volumeId, epoch, cipher } = this.options;
    pending.logging = true;
    try {
      if (!pending.replicated) {
        if (this.logBroken) return false;
        pending.logFile ??= await context.logFiles.acquire();
        if (pending.logFile === undefined) return false;
      }
      const { entries, previous, together } = pending;
      const from = pending.loggedEntries;
      const until = entries.count;
      const dataOffset = pending.loggedBytes;
      const plain = pending.buffer.subarray(dataOffset, pending.usedBytes);
      const { number } = pending.segment;
      const data = cipher?.sealBatch(plain, { number, epoch }, dataOffset / sectorBytes) ?? plain;
      const header = encodeBatchHeader({
        volumeId,
        number,
        epoch,
        index: pending.logBatches,
        previous,
        together,
        entries,
        from,
        until,
        dataOffset,
        data,
      });
      const index = pending.logBatches;
      const position = pending.logPosition;
      pending.logPosition += header.length + roundUp(data.length, pageBytes);
      pending.logBatches++;
      pending.loggedEntries = until;
      pending.loggedBytes += data.length;
      const { logFile } = pending;
      if (logFile === undefined) {
        const gap = Buffer.alloc(roundUp(data.length, pageBytes) - data.length);
        await this.replicate(number, index, [header, data, gap]);
      } else {
        await logFile.file.write([header, data], position);
        await logFile.file.sync();
      }
      return true;
    } finally {
      pending.logging = false;
      this.releaseLog(pending);
    }
  }

  private async replicate(number: number, index: number, chunks: readonly Buffer[]): Promise<void> {
    const { context, volumeId, epoch } = this.options;
    try {
      await putBatch(context.blobs, { volume: volumeId, number, epoch }, index, chunks);
    } catch (error) {
      if (!isFailure(error) || error.kind === 'bug' || error.kind === 'denied') throw error;
      context.log.warn({ err: error, volumeId }, 'storage nodes did not take the tail of the log');
      throw new TailFailure(error);
    }
  }

  /** Lets the log file go once its segment is in the store. */
  releaseLog(pending: Pending): void {
    if (!pending.segment.durable || pending.logging) return;
    if (pending.replicated) this.deleteBatches(pending);
    if (pending.logFile === undefined) return;
    this.options.context.logFiles.release(pending.logFile);
    pending.logFile = undefined;
  }

  private deleteBatches(pending: Pending): void {
    const { context, volumeId, epoch } = this.options;
    const count = pending.logBatches;
    if (count === 0) return;
    pending.logBatches = 0;
    const { number } = pending.segment;
    deleteTail(context.blobs, { volume: volumeId, number, epoch }, count).catch(
      (error: unknown) => {
        if (!isFailure(error) || error.kind === 'bug') throw error;
        // The segment is in the store, so nothing reads them again; recovery of this epoch or deletion finds them.
        context.log.warn({ err: error, volumeId, number }, 'batches of the log stay behind');
      },
    );
  }
}

/** The storage nodes did not take a batch: FLUSH waits for the segment itself instead. */
class TailFailure extends Failure {
  constructor(cause: Failure) {
    super(cause.kind, cause.code, cause.message, { cause });
  }
}
