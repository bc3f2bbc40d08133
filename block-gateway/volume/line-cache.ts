/**
 * The read cache: lines of segments in slabs of fixed size, replaced by the clock rule (Corbató, 1968). Shared by all
 * volumes, keyed by segment, so that what one clone read is there for the others.
 */
import { lineBytes, segmentBytesMax } from './units.ts';

const slabLines = 64;
const linesPerSegmentMax = segmentBytesMax / lineBytes;

export class LineCache {
  private readonly linesMax: number;
  private readonly slabs: Buffer[] = [];
  private readonly places = new Map<number, number>();
  private readonly keys: Float64Array;
  private readonly used: Uint8Array;
  private filled = 0;
  private hand = 0;
  hits = 0;
  misses = 0;

  constructor(bytesMax: number) {
    this.linesMax = Math.max(1, Math.floor(bytesMax / lineBytes));
    this.keys = new Float64Array(this.linesMax).fill(-1);
    this.used = new Uint8Array(this.linesMax);
  }

  get bytes(): number {
    return this.slabs.length * slabLines * lineBytes;
  }

  static key(cacheId: number, line: number): number {
    return cacheId * linesPerSegmentMax + line;
  }

  has(key: number): boolean {
    return this.places.has(key);
  }

  /** Copies part of a line to `target`; false when it is not here. */
  copy(key: number, from: number, length: number, target: Buffer, at: number): boolean {
    const place = this.places.get(key);
    if (place === undefined) {
      this.misses++;
      return false;
    }
    this.hits++;
    this.used[place] = 1;
    const slab = this.slabs[Math.floor(place / slabLines)];
    const start = (place % slabLines) * lineBytes + from;
    slab?.copy(target, at, start, start + length);
    return true;
  }

  put(key: number, line: Buffer): void {
    if (this.places.has(key)) return;
    const place = this.findPlace();
    const slab = this.slabOf(place);
    line.copy(slab, (place % slabLines) * lineBytes);
    this.keys[place] = key;
    // A line earns its first reprieve by being read again, so that one long scan doesn't push out everything.
    this.used[place] = 0;
    this.places.set(key, place);
  }

  /** Forgets all lines of a segment. */
  drop(cacheId: number): void {
    for (let line = 0; line < linesPerSegmentMax; line++) {
      const key = LineCache.key(cacheId, line);
      const place = this.places.get(key);
      if (place === undefined) continue;
      this.places.delete(key);
      this.keys[place] = -1;
      this.used[place] = 0;
    }
  }

  private findPlace(): number {
    if (this.filled < this.linesMax) return this.filled++;
    while (this.used[this.hand] === 1) {
      this.used[this.hand] = 0;
      this.hand = (this.hand + 1) % this.linesMax;
    }
    const place = this.hand;
    this.hand = (this.hand + 1) % this.linesMax;
    const key = this.keys[place] ?? -1;
    if (key >= 0) this.places.delete(key);
    return place;
  }

  private slabOf(place: number): Buffer {
    const index = Math.floor(place / slabLines);
    let slab = this.slabs[index];
    if (slab === undefined) {
      slab = Buffer.allocUnsafeSlow(slabLines * lineBytes);
      this.slabs[index] = slab;
    }
    return slab;
  }
}
