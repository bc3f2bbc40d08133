/**
 * The memory of segments that are being filled or wait for the store, shared by all volumes. A buffer whose segment has reached the store
 * stays with it for reading until somebody needs it.
 */
import type { Segment } from './segments.ts';

/** Who fills a segment and can be asked to send it off early. */
export interface BufferOwner {
  yieldBuffer(): void;
}

export interface BufferPoolOptions {
  readonly bufferBytes: number;
  readonly buffersMax: number;
}

export class BufferPool {
  readonly bufferBytes: number;
  private readonly buffersMax: number;
  private made = 0;
  private free: Buffer[] = [];
  private readonly kept = new Set<Segment>();
  private readonly owners = new Set<BufferOwner>();
  private waiting: (() => void)[] = [];

  constructor(options: BufferPoolOptions) {
    this.bufferBytes = options.bufferBytes;
    this.buffersMax = options.buffersMax;
  }

  join(owner: BufferOwner): void {
    this.owners.add(owner);
  }

  leave(owner: BufferOwner): void {
    this.owners.delete(owner);
  }

  /** A buffer, or undefined when all are in use; then the others are asked to send theirs off. */
  take(owner: BufferOwner): Buffer | undefined {
    const spare = this.free.pop();
    if (spare !== undefined) return spare;
    if (this.made < this.buffersMax) {
      this.made++;
      return Buffer.allocUnsafeSlow(this.bufferBytes);
    }
    for (const segment of this.kept) {
      this.kept.delete(segment);
      const buffer = segment.buffer;
      segment.buffer = undefined;
      if (buffer !== undefined) return buffer;
    }
    for (const other of this.owners) if (other !== owner) other.yieldBuffer();
    return undefined;
  }

  /** The segment is in the store: its buffer may be taken from now on. */
  keep(segment: Segment): void {
    this.kept.add(segment);
    this.wake();
  }

  giveBack(buffer: Buffer): void {
    this.free.push(buffer);
    this.wake();
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
