/** A blob being streamed in: gathered into large writes, one of them in flight while the next is gathered. */
import type { DiskFile } from '#common';
import { type BlobKey, type BlobWriteOptions, type BlobWriter, blobBytesMax } from '#wire';
import { blobHeaderBytes, encodeBlobHeader } from '../blobs/blob-file.ts';
import { BlockSums } from '../blobs/block-sums.ts';
import type { FreeSlot } from '../blobs/slots.ts';
import { badRequest } from '../failures.ts';
import type { BlobContent } from './blobs.ts';

/** Where a streamed blob goes. */
export interface BlobSink {
  takeSlot(length: number): Promise<FreeSlot>;
  returnSlot(slot: FreeSlot): Promise<void>;
  writeSlot(slot: number, work: (file: DiskFile) => Promise<void>): Promise<void>;
  name(key: BlobKey, content: BlobContent, options: BlobWriteOptions): Promise<void>;
}

export interface StreamedOptions {
  readonly options: BlobWriteOptions;
  readonly gatherBytes: number;
  readonly ownFileBytesMin: number;
}

export class StreamedBlob implements BlobWriter {
  private readonly sink: BlobSink;
  private readonly key: BlobKey;
  private readonly how: StreamedOptions;
  private readonly sums: BlockSums;
  private gathered: Buffer[] = [];
  /** What to call when the gathered chunks are written. */
  private releases: (() => void)[] = [];
  private gatheredBytes = 0;
  private written = 0;
  private slot: FreeSlot | undefined;
  private inFlight: Promise<void> = Promise.resolve();
  private state: 'open' | 'failed' | 'done' = 'open';
  /** Why a write behind the caller's back failed; whatever is asked next is told. */
  private failure: unknown;

  constructor(sink: BlobSink, key: BlobKey, how: StreamedOptions) {
    this.sink = sink;
    this.key = key;
    this.how = how;
    this.sums = new BlockSums(key.id);
  }

  async append(chunks: readonly Buffer[], onReleased?: () => void): Promise<void> {
    this.checkOpen();
    if (onReleased !== undefined) this.releases.push(onReleased);
    this.sums.addAll(chunks);
    for (const chunk of chunks) {
      this.gathered.push(chunk);
      this.gatheredBytes += chunk.length;
    }
    if (this.sums.length > blobBytesMax)
      throw badRequest('The blob is too large', { length: this.sums.length });
    const { gatherBytes, ownFileBytesMin, options } = this.how;
    const small = Math.max(this.sums.length, options.lengthHint ?? 0) < ownFileBytesMin;
    if (small || this.gatheredBytes < gatherBytes) return;
    // Waits for the write before, never for this one: the next chunks can be on their way meanwhile.
    await this.inFlight;
    this.checkOpen();
    this.inFlight = this.writeGathered();
    this.inFlight.catch((error: unknown) => {
      this.state = 'failed';
      this.failure = error;
    });
  }

  private async writeGathered(): Promise<void> {
    const { gathered: chunks, releases } = this;
    const at = blobHeaderBytes + this.written;
    this.written += this.gatheredBytes;
    this.gathered = [];
    this.releases = [];
    this.gatheredBytes = 0;
    const length = Math.max(this.how.options.lengthHint ?? 0, this.sums.length);
    this.slot ??= await this.sink.takeSlot(length);
    await this.sink.writeSlot(this.slot.slot, (file) => file.write(chunks, at));
    for (const release of releases) release();
  }

  async commit(): Promise<void> {
    this.checkOpen();
    this.state = 'failed';
    const table = this.sums.finish();
    const length = this.sums.length;
    try {
      await this.inFlight;
      if (this.slot !== undefined || length >= this.how.ownFileBytesMin)
        await this.finishSlot(length, table);
    } catch (error) {
      await this.dropSlot();
      throw error;
    }
    const { slot } = this;
    // Whatever becomes of it, the slot is not this writer's any more.
    this.slot = undefined;
    const content = { length, table, chunks: this.gathered, slot };
    await this.sink.name(this.key, content, this.how.options);
    this.state = 'done';
    this.gathered = [];
    for (const release of this.releases) release();
  }

  private async finishSlot(length: number, table: Buffer): Promise<void> {
    const header = encodeBlobHeader({ ...this.key, length, table });
    const rest = this.gathered;
    // They go into the slot, not into the record.
    this.gathered = [];
    this.slot ??= await this.sink.takeSlot(length);
    await this.sink.writeSlot(this.slot.slot, async (file) => {
      if (this.written === 0) await file.write([header, ...rest], 0);
      else {
        if (rest.length > 0) await file.write(rest, blobHeaderBytes + this.written);
        await file.write([header], 0);
      }
      await file.sync();
    });
  }

  async abort(): Promise<void> {
    if (this.state === 'done') return;
    this.state = 'failed';
    this.gathered = [];
    // Only its end matters here, that nothing writes to the slot any more: `checkOpen` tells of its failure.
    await this.inFlight.catch(() => {});
    await this.dropSlot();
  }

  private async dropSlot(): Promise<void> {
    const { slot } = this;
    this.slot = undefined;
    // A slot that could not be removed is found free at the next start.
    if (slot !== undefined) await this.sink.returnSlot(slot).catch(() => {});
  }

  private checkOpen(): void {
    if (this.state === 'open') return;
    if (this.failure !== undefined) throw this.failure;
    throw badRequest('The blob writer was used up or has failed', { id: this.key.id });
  }
}
