/**
 * The memory of segments that are being filled or wait for the store, shared by all volumes. A buffer whose segment has reached the store
 * stays with it for reading until somebody needs it.
 */
import type { Clock, Timer } from '#common';
import type { Segment } from './segments.ts';

/** Who fills a segment and can be asked to send it off early. */
export interface BufferOwner {
  yieldBuffer(): void;
}

export interface BufferPoolOptions {
  readonly bufferBytes: number;
  readonly buffersMax: number;
  /** So many stay when their segments are in the store; what was needed beyond goes back to the system. */
  readonly keptMax: number;
  /** When nobody took one for so long. */
  readonly idleMs: number;
  readonly clock: Clock;
}

export class BufferPool {
  readonly bufferBytes: number;
  private readonly options: BufferPoolOptions;
  private readonly buffersMax: number;
  private readonly keptMax: number;
  private trimming: Timer | undefined;
  private takenMs = 0;
  /** How many there are. */
  made = 0;
  private free: Buffer[] = [];
  private readonly kept = new Set<Segment>();
  private readonly owners = new Set<BufferOwner>();
  private waiting: (() => void)[] = [];

  constructor(options: BufferPoolOptions) {
    this.options = options;
    this.bufferBytes = options.bufferBytes;
    this.buffersMax = options.buffersMax;
    this.keptMax = options.keptMax;
  }

  /** From 0, there is memory enough, to 1, all of it waits for the store. */
  get pressure(): number {
    return (this.made - this.free.length - this.kept.size) / this.buffersMax;
  }

  join(owner: BufferOwner): void {
    this.owners.add(owner);
  }

  leave(owner: BufferOwner): void {
    this.owners.delete(owner);
  }

  /** A buffer, or undefined when all are in use; then the others are asked to send theirs off. */
  take(owner: BufferOwner): Buffer | undefined {
    this.takenMs = this.options.clock.monotonicMs();
    const spare = this.free.pop();
    if (spare !== undefined) return spare;
    // The pool first grows to what it keeps, so that what was written last can be read from it.
    if (this.made < Math.min(this.keptMax, this.buffersMax)) return this.make();
    const kept = this.unkeep();
    if (kept !== undefined) return kept;
    if (this.made < this.buffersMax) return this.make();
    for (const other of this.owners) if (other !== owner) other.yieldBuffer();
    return undefined;
  }

  /** The segment is in the store: its buffer may be taken from now on. */
  keep(segment: Segment): void {
    this.kept.add(segment);
    this.trimLater();
    this.wake();
  }

  giveBack(buffer: Buffer): void {
    this.free.push(buffer);
    this.trimLater();
    this.wake();
  }

  close(): void {
    this.trimming?.cancel();
  }

  private trimLater(): void {
    if (this.made <= this.keptMax) return;
    const { clock, idleMs } = this.options;
    this.trimming ??= clock.after(idleMs, () => {
      this.trimming = undefined;
      if (clock.monotonicMs() - this.takenMs < idleMs) this.trimLater();
      else this.trim();
    });
  }

  /** Lets go of what is beyond what is kept and nobody needs now. */
  private trim(): void {
    while (this.made > this.keptMax) {
      if ((this.free.pop() ?? this.unkeep()) === undefined) return;
      this.made--;
    }
  }

  /** Shared memory is not counted by the collector, which would mark the whole heap for every 64 MiB of it. */
  private make(): Buffer {
    this.made++;
    return Buffer.from(new SharedArrayBuffer(this.bufferBytes));
  }

  private unkeep(): Buffer | undefined {
    for (const segment of this.kept) {
      this.kept.delete(segment);
      const { buffer } = segment;
      segment.buffer = undefined;
      if (buffer !== undefined) return buffer;
    }
    return undefined;
  }

  /** A buffer that was taken never comes back: it is left to the collector, and another may be made. */
  forgo(): void {
    this.made--;
    this.wake();
  }

  /** The segment goes away. */
  forget(segment: Segment): void {
    if (!this.kept.delete(segment) || segment.buffer === undefined) return;
    const buffer = segment.buffer;
    segment.buffer = undefined;
    this.giveBack(buffer);
  }

  /** Resolves when it may be worth trying again. */
  available(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
    });
  }

  /** Those who wait look again. */
  wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}
