/** Brings lines of segments from the store into the cache; whoever wants a line that is on its way waits for the same read. */
import type { Blobs } from '#cluster';
import { Gate } from '#common';
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

export class LineFetcher {
  private readonly blobs: Blobs;
  private readonly cache: LineCache;
  private readonly gate: Gate;
  private readonly coming = new Map<number, Promise<Buffer>>();

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

  /** The checked data of a line; up to `wanted` lines from it on come in the same read when none of them is here. */
  line(segment: Segment, line: number, wanted: number): Promise<Buffer> {
    const coming = this.coming.get(LineCache.key(segment.cacheId, line));
    if (coming !== undefined) return coming;
    const count = this.runLength(segment, line, wanted);
    const run = this.load(segment, line, count);
    for (let index = 0; index < count; index++) this.announce(segment, line + index, index, run);
    const first = this.coming.get(LineCache.key(segment.cacheId, line));
    return first ?? run.then((lines) => lines[0] ?? Buffer.alloc(0));
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
      this.line(segment, at, count).catch(() => undefined);
      at += count;
    }
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

  private announce(segment: Segment, line: number, index: number, run: Promise<Buffer[]>): void {
    const key = LineCache.key(segment.cacheId, line);
    const one = run
      .then((lines) => lines[index] ?? Buffer.alloc(0))
      .finally(() => this.coming.delete(key));
    // A line of the run that nobody asked for must not end the process when the run fails.
    one.catch(() => undefined);
    this.coming.set(key, one);
  }

  private async load(segment: Segment, line: number, count: number): Promise<Buffer[]> {
    segment.readers++;
    try {
      const first = placeOfLine(segment, line);
      const last = placeOfLine(segment, line + count - 1);
      const length = last.offset + last.storedBytes - first.offset;
      const stored = await this.gate.within(() =>
        this.blobs.read(segment.blobId, first.offset, length),
      );
      const lines: Buffer[] = [];
      for (let index = 0; index < count; index++) {
        const place = placeOfLine(segment, line + index);
        const at = place.offset - first.offset;
        const data = openLine(
          stored.subarray(at, at + place.storedBytes),
          place.dataBytes,
          segment,
          line + index,
        );
        this.cache.put(LineCache.key(segment.cacheId, line + index), data);
        lines.push(data);
      }
      return lines;
    } finally {
      segment.readers--;
    }
  }
}
