/** Pieces of a stream that a format wants to look at: named by offset, kept as they pass, each bounded. */
import { assertFact } from './assert.ts';

const regionBytesMax = 1024 * 1024;

interface Region {
  readonly offset: number;
  readonly bytes: Buffer;
  filled: number;
}

export class Regions {
  private readonly regions = new Map<string, Region>();
  private at = 0;

  /** Everything before this has passed. */
  get position(): number {
    return this.at;
  }

  /** Invariant: a region is asked for before its first byte has passed, or lies in `replay`, the bytes already kept. */
  want(name: string, offset: number, length: number, replay?: Buffer): void {
    assertFact(length <= regionBytesMax && length >= 0 && !this.regions.has(name));
    const region = { offset, bytes: Buffer.alloc(length), filled: 0 };
    if (offset < this.at) {
      assertFact(replay !== undefined && replay.length >= Math.min(this.at, offset + length));
      region.filled = replay.copy(region.bytes, 0, offset, Math.min(this.at, offset + length));
    }
    this.regions.set(name, region);
  }

  feed(chunk: Buffer): void {
    for (const region of this.regions.values()) {
      const from = region.offset + region.filled - this.at;
      const missing = region.bytes.length - region.filled;
      if (missing === 0 || from >= chunk.length) continue;
      region.filled += chunk.copy(region.bytes, region.filled, from, from + missing);
    }
    this.at += chunk.length;
  }

  /** The region once it is whole. */
  find(name: string): Buffer | undefined {
    const region = this.regions.get(name);
    return region !== undefined && region.filled === region.bytes.length ? region.bytes : undefined;
  }

  /** What has passed of the region: all of it, or what the file had. */
  soFar(name: string): Buffer {
    const region = this.regions.get(name);
    return region === undefined ? Buffer.alloc(0) : region.bytes.subarray(0, region.filled);
  }

  has(name: string): boolean {
    return this.regions.has(name);
  }
}
