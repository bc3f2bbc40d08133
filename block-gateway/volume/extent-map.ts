/**
 * Where a volume's sectors are: extents (start, length) → (segment slot, offset), sorted, in typed arrays.
 * Twelve bytes an extent, about fourteen with the slack; a hole costs nothing and reads as zeros.
 *
 * Invariant: extents don't overlap, and none crosses a region's border.
 */
import { ExtentRegion, type Found, type Freed, regionSectors } from './extent-region.ts';
import type { Leaf } from './leaf.ts';

export type { Found, Freed } from './extent-region.ts';

export interface MapSnapshot {
  /** Leaves of each region, in order; unchanged by what happens to the map later. */
  readonly regions: ReadonlyMap<number, readonly Leaf[]>;
  readonly extents: number;
}

export class ExtentMap {
  private readonly regions = new Map<number, ExtentRegion>();
  private readonly freed: Freed;
  // Nearly every volume has one region only.
  private lastRegion: ExtentRegion | undefined;
  private lastIndex = -1;

  /** `freed` hears of every sector that stops being mapped. */
  constructor(freed: Freed) {
    this.freed = freed;
  }

  get extents(): number {
    let total = 0;
    for (const region of this.regions.values()) total += region.extents;
    return total;
  }

  /** What lies at `start`, and how far it reaches; a hole may be followed by another hole. */
  locate(start: number, found: Found): void {
    const index = Math.floor(start / regionSectors);
    const region = this.regionOf(index);
    if (region !== undefined) {
      region.locate(start - index * regionSectors, found);
      return;
    }
    found.slot = -1;
    found.offset = 0;
    found.sectors = (index + 1) * regionSectors - start;
  }

  put(start: number, sectors: number, slot: number, offset: number): void {
    this.eachRegion(start, sectors, (index, from, count, done) => {
      this.ensureRegion(index).put(from, count, slot, offset + done, this.freed);
    });
  }

  cut(start: number, sectors: number): void {
    this.eachRegion(start, sectors, (index, from, count) => {
      this.regionOf(index)?.cut(from, from + count, this.freed);
    });
  }

  /** True when nothing is mapped in the range. */
  isHole(start: number, sectors: number): boolean {
    const found: Found = { slot: -1, offset: 0, sectors: 0 };
    for (let at = start; at < start + sectors; at += found.sectors) {
      this.locate(at, found);
      if (found.slot >= 0) return false;
    }
    return true;
  }

  /** Adds extents in ascending order where nothing is mapped, as they come out of a checkpoint. */
  append(regionIndex: number, start: number, sectors: number, slot: number, offset: number): void {
    this.ensureRegion(regionIndex).insert(start, sectors, slot, offset);
  }

  snapshot(): MapSnapshot {
    const regions = new Map<number, readonly Leaf[]>();
    for (const index of [...this.regions.keys()].sort((a, b) => a - b)) {
      const region = this.regions.get(index);
      if (region !== undefined && region.extents > 0) regions.set(index, region.snapshot());
    }
    return { regions, extents: this.extents };
  }

  private regionOf(index: number): ExtentRegion | undefined {
    if (index === this.lastIndex) return this.lastRegion;
    const region = this.regions.get(index);
    if (region !== undefined) {
      this.lastRegion = region;
      this.lastIndex = index;
    }
    return region;
  }

  private ensureRegion(index: number): ExtentRegion {
    const found = this.regionOf(index);
    if (found !== undefined) return found;
    const region = new ExtentRegion();
    this.regions.set(index, region);
    return region;
  }

  private eachRegion(
    start: number,
    sectors: number,
    visit: (index: number, from: number, count: number, done: number) => void,
  ): void {
    for (let done = 0; done < sectors; ) {
      const index = Math.floor((start + done) / regionSectors);
      const from = start + done - index * regionSectors;
      const count = Math.min(sectors - done, regionSectors - from);
      visit(index, from, count, done);
      done += count;
    }
  }
}
