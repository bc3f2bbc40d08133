/**
 * Brings lines of segments from the store into the cache; whoever wants a line that is on its way waits for the same read.
 * The memory of a read is used again as soon as everybody who waited has taken what is wanted out of it.
 */
import type { Blobs } from '#cluster';
import { Gate, giveBack } from '#common';
import { LineCache } from './line-cache.ts';
import { openLine, placeOfLine, storedLineBytes } from './segment-format.ts';
import type { Segment } from './segments.ts';
import { lineBytes } from './units.ts';

// One read of the store is at most 1 MiB.
const linesPerRead = Math.floor((1024 * 1024) / storedLineBytes);

export interface LineFetcherOptions {
  readonly blobs: Blobs;
  readonly cache: LineCache;
  readonly readsMax: number;
}

/** Given the checked data of a line, which it may look at until it returns. */
export type TakeLine = (data: Buffer) => void;

/** A line on its way. */
interface Coming {
  readonly takers: TakeLine[];
  /** Of the whole run. */
  readonly read: Promise<void>;
}

export class LineFetcher {
  private readonly blobs: Blobs;
  private readonly cache: LineCache;
  private readonly gate: Gate;
  private readonly coming = new Map<number, Coming>();

  constructor(options: LineFetcherOptions) {
    this.blobs = options.blobs;
    this.cache = options.cache;
    // Waiters are bounded by the requests in flight of all connections.
    this.gate = new Gate({
      name: 'store-reads',
      inFlightMax: options.readsMax,
      waitingMax: Number.MAX_SAFE_INTEGER,
    });
  }

  /** Resolves when `take` was called. Up to `wanted` lines from this one on come in the same read when none of them is here. */
  use(segment: Segment, line: number, wanted: number, take: TakeLine): Promise<void> {
    const key = LineCache.key(segment.cacheId, line);
    const coming = this.coming.get(key) ?? this.fetch(segment, line, wanted);
    coming.takers.push(take);
    return coming.read;
  }

  /** Fetches lines nobody waits for yet; what fails will fail again for the reader that needs it. */
  ahead(segment: Segment, line: number, until: number): void {
    for (let at = line; at < until; ) {
      const key = LineCache.key(segment.cacheId, at);
      if (this.cache.has(key) || this.coming.has(key)) {
        at++;
        continue;
      }
      const count = this.runLength(segment, at, until - at);
      this.fetch(segment, at, count);
      at += count;
    }
  }

  private fetch(segment: Segment, line: number, wanted: number): Coming {
    const count = this.runLength(segment, line, wanted);
    const read = this.load(segment, line, count);
    // A run that was fetched ahead must not end the process when it fails; whoever waits for it is told.
    read.catch(() => undefined);
    const first: Coming = { takers: [], read };
    this.coming.set(LineCache.key(segment.cacheId, line), first);
    for (let index = 1; index < count; index++)
      this.coming.set(LineCache.key(segment.cacheId, line + index), { takers: [], read });
    return first;
  }

  private runLength(segment: Segment, line: number, wanted: number): number {
    const lines = Math.ceil(segment.dataBytes / lineBytes);
    const most = Math.min(wanted, linesPerRead, lines - line);
    let count = 1;
    while (count < most) {
      const key = LineCache.key(segment.cacheId, line + count);
      if (this.cache.has(key) || this.coming.has(key)) break;
      count++;
    }
    return count;
  }

  private async load(segment: Segment, line: number, count: number): Promise<void> {
    segment.readers++;
    try {
      const first = placeOfLine(segment, line);
      const last = placeOfLine(segment, line + count - 1);
      const length = last.offset + last.storedBytes - first.offset;
      const stored = await this.gate.within(() =>
        this.blobs.read(segment.blobId, first.offset, length),
      );
      for (let index = 0; index < count; index++) {
        const { offset, dataBytes, storedBytes } = placeOfLine(segment, line + index);
        const at = offset - first.offset;
        const piece = stored.subarray(at, at + storedBytes);
        this.arrived(segment, line + index, openLine(piece, dataBytes, segment, line + index));
      }
      giveBack(stored);
    } finally {
      segment.readers--;
      for (let index = 0; index < count; index++)
        this.coming.delete(LineCache.key(segment.cacheId, line + index));
    }
  }

  private arrived(segment: Segment, line: number, data: Buffer): void {
    const key = LineCache.key(segment.cacheId, line);
    this.cache.put(key, data);
    for (const take of this.coming.get(key)?.takers ?? []) take(data);
    // Whoever asks from now on finds it in the cache.
    this.coming.delete(key);
  }
}
