/**
 * A leaf of the extent map: up to 512 extents in one typed array, three words each:
 * start sector inside the region · length-1 (upper 16 bits) and offset in the segment (lower 16), in sectors · segment slot.
 */

export const leafExtentsMax = 512;
const stride = 3;
// Arrays grow in such steps, so that a leaf that is two thirds full does not pay for the rest.
const growExtents = 48;

export class Leaf {
  words: Uint32Array;
  count = 0;
  /** The map's generation that may change this leaf in place; older ones are shared with a snapshot. */
  generation: number;

  constructor(generation: number, capacity = growExtents) {
    this.generation = generation;
    this.words = new Uint32Array(capacity * stride);
  }

  start(at: number): number {
    return this.words[at * stride] ?? 0;
  }

  sectors(at: number): number {
    return ((this.words[at * stride + 1] ?? 0) >>> 16) + 1;
  }

  offset(at: number): number {
    return (this.words[at * stride + 1] ?? 0) & 0xffff;
  }

  slot(at: number): number {
    return this.words[at * stride + 2] ?? 0;
  }

  /** The first position whose start is at or after `start`. */
  lowerBound(start: number): number {
    const words = this.words;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((words[middle * stride] ?? 0) < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  set(at: number, start: number, sectors: number, offset: number, slot: number): void {
    const word = at * stride;
    this.words[word] = start;
    this.words[word + 1] = ((sectors - 1) << 16) | offset;
    this.words[word + 2] = slot;
  }

  insert(at: number, start: number, sectors: number, offset: number, slot: number): void {
    this.reserve(this.count + 1);
    this.words.copyWithin((at + 1) * stride, at * stride, this.count * stride);
    this.count++;
    this.set(at, start, sectors, offset, slot);
  }

  remove(from: number, until: number): void {
    if (from === until) return;
    this.words.copyWithin(from * stride, until * stride, this.count * stride);
    this.count -= until - from;
  }

  /** Moves the extents from `at` on into a new leaf. */
  splitAt(at: number): Leaf {
    const right = new Leaf(this.generation, this.count - at + growExtents);
    right.words.set(this.words.subarray(at * stride, this.count * stride));
    right.count = this.count - at;
    this.count = at;
    this.words = this.words.slice(0, (at + growExtents) * stride);
    return right;
  }

  clone(generation: number): Leaf {
    const copy = new Leaf(generation, 0);
    copy.words = this.words.slice();
    copy.count = this.count;
    return copy;
  }

  /** The extents as they are stored in a checkpoint. */
  bytes(): Uint8Array {
    return new Uint8Array(
      this.words.buffer,
      this.words.byteOffset,
      this.count * stride * Uint32Array.BYTES_PER_ELEMENT,
    );
  }

  private reserve(count: number): void {
    if (count * stride <= this.words.length) return;
    const larger = new Uint32Array((count + growExtents) * stride);
    larger.set(this.words);
    this.words = larger;
  }
}
