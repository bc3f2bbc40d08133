/** Notices sequential readers and says what to fetch before they ask. */

interface Stream {
  /** Where the next read of this reader would begin. */
  next: number;
  /** Up to where was fetched. */
  until: number;
  hits: number;
  usedAt: number;
}

const streamsMax = 8;
const firstWindow = 256 * 1024;

export class ReadAhead {
  private readonly bytesMax: number;
  private readonly sizeBytes: () => number;
  private readonly fetch: (offset: number, length: number) => void;
  private readonly streams: Stream[] = [];
  private turn = 0;

  constructor(
    options: { readonly bytesMax: number; readonly sizeBytes: () => number },
    fetch: (offset: number, length: number) => void,
  ) {
    this.bytesMax = options.bytesMax;
    this.sizeBytes = options.sizeBytes;
    this.fetch = fetch;
  }

  /** Told of each read; most of them are nobody's next and cost one look at eight numbers. */
  noteRead(offset: number, length: number): void {
    if (this.bytesMax === 0) return;
    this.turn++;
    const end = offset + length;
    for (const stream of this.streams) {
      if (stream.next !== offset) continue;
      stream.next = end;
      stream.usedAt = this.turn;
      stream.hits++;
      if (stream.hits > 1) this.advance(stream);
      return;
    }
    this.remember(end);
  }

  private advance(stream: Stream): void {
    const window = Math.min(this.bytesMax, firstWindow * stream.hits);
    const from = Math.max(stream.next, stream.until);
    if (from - stream.next > window / 2) return;
    const until = Math.min(stream.next + window, this.sizeBytes());
    if (until > from) this.fetch(from, until - from);
    stream.until = until;
  }

  private remember(next: number): void {
    const fresh = { next, until: 0, hits: 0, usedAt: this.turn };
    if (this.streams.length < streamsMax) {
      this.streams.push(fresh);
      return;
    }
    let oldest = 0;
    for (let at = 1; at < streamsMax; at++) {
      const best = this.streams[oldest]?.usedAt ?? 0;
      if ((this.streams[at]?.usedAt ?? 0) < best) oldest = at;
    }
    this.streams[oldest] = fresh;
  }
}
