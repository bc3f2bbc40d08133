/** The extents of one region (1 TiB) of a volume: leaves in order, with their first sectors beside them for the search. */
import { assert } from './assert.ts';
import { Leaf, leafExtentsMax } from './leaf.ts';

export const regionSectors = 2 ** 31;
const extentSectorsMax = 65_536;

/** What a lookup found; one is reused, since a lookup happens for every request. */
export interface Found {
  /** -1 for a hole. */
  slot: number;
  /** Offset in the segment's data, in sectors. */
  offset: number;
  /** How far what was found reaches from where one looked, in sectors. */
  sectors: number;
}

export type Freed = (slot: number, sectors: number) => void;

export class ExtentRegion {
  private leaves: Leaf[] = [];
  private firsts: number[] = [];
  private generation = 0;
  extents = 0;

  locate(start: number, found: Found): void {
    const li = this.leafAt(start);
    const leaf = this.leaves[li];
    found.slot = -1;
    found.offset = 0;
    found.sectors = regionSectors - start;
    if (leaf === undefined) return;
    const next = leaf.lowerBound(start + 1);
    const behind = next > 0 ? start - leaf.start(next - 1) : 0;
    if (next > 0 && behind < leaf.sectors(next - 1)) {
      found.slot = leaf.slot(next - 1);
      found.offset = leaf.offset(next - 1) + behind;
      found.sectors = leaf.sectors(next - 1) - behind;
      return;
    }
    const following = next < leaf.count ? leaf.start(next) : this.firsts[li + 1];
    if (following !== undefined) found.sectors = following - start;
  }

  /** Maps the range; what it pointed to before is told to `freed`. */
  put(start: number, sectors: number, slot: number, offset: number, freed: Freed): void {
    this.cut(start, start + sectors, freed);
    this.insert(start, sectors, slot, offset);
  }

  /** Unmaps [start, end). */
  cut(start: number, end: number, freed: Freed): void {
    let li = this.leafAt(start);
    while (li < this.leaves.length) {
      const reaches = this.cutLeaf(li, start, end, freed);
      const left = this.leaves[li];
      if (left !== undefined && left.count === 0) {
        this.leaves.splice(li, 1);
        this.firsts.splice(li, 1);
      } else {
        if (left !== undefined) this.firsts[li] = left.start(0);
        li++;
      }
      const next = this.firsts[li];
      if (!reaches || next === undefined || next >= end) return;
    }
  }

  /** True when the cut may go on in the next leaf. */
  private cutLeaf(li: number, start: number, end: number, freed: Freed): boolean {
    let leaf = this.leaves[li];
    if (leaf === undefined) return false;
    let from = leaf.lowerBound(start);
    const before = from - 1;
    const beforeEnd = before < 0 ? 0 : leaf.start(before) + leaf.sectors(before);
    const first = from < leaf.count ? leaf.start(from) : Number.POSITIVE_INFINITY;
    if (beforeEnd <= start && first >= end) return from >= leaf.count;
    leaf = this.own(li);
    if (beforeEnd > start) {
      const at = leaf.start(before);
      const offset = leaf.offset(before);
      const slot = leaf.slot(before);
      leaf.set(before, at, start - at, offset, slot);
      if (beforeEnd > end) {
        freed(slot, end - start);
        this.insert(end, beforeEnd - end, slot, offset + (end - at));
        return false;
      }
      freed(slot, beforeEnd - start);
    }
    const firstGone = from;
    while (from < leaf.count && leaf.start(from) + leaf.sectors(from) <= end) {
      freed(leaf.slot(from), leaf.sectors(from));
      from++;
    }
    const reaches = from >= leaf.count;
    if (!reaches && leaf.start(from) < end) {
      const lost = end - leaf.start(from);
      freed(leaf.slot(from), lost);
      leaf.set(from, end, leaf.sectors(from) - lost, leaf.offset(from) + lost, leaf.slot(from));
    }
    leaf.remove(firstGone, from);
    this.extents -= from - firstGone;
    return reaches;
  }

  /** Adds an extent where nothing is mapped. */
  insert(start: number, sectors: number, slot: number, offset: number): void {
    if (this.leaves.length === 0) this.addLeaf(0, new Leaf(this.generation), start);
    let li = this.leafAt(start);
    let leaf = this.own(li);
    let at = leaf.lowerBound(start);
    if (at > 0 && this.joins(leaf, at - 1, start, slot, offset)) {
      const joined = leaf.sectors(at - 1) + sectors;
      if (joined <= extentSectorsMax) {
        leaf.set(at - 1, leaf.start(at - 1), joined, leaf.offset(at - 1), slot);
        return;
      }
    }
    if (leaf.count >= leafExtentsMax) {
      // Appending at the very end leaves full leaves behind; in the middle a leaf is halved.
      const appending = at === leaf.count && li === this.leaves.length - 1;
      const right = leaf.splitAt(appending ? leaf.count : leaf.count >>> 1);
      this.addLeaf(li + 1, right, appending ? start : right.start(0));
      if (at > leaf.count || appending) {
        at -= leaf.count;
        li++;
        leaf = right;
      }
    }
    leaf.insert(at, start, sectors, offset, slot);
    this.extents++;
    if (at === 0) this.firsts[li] = start;
  }

  /** The leaves as they are now; they won't change afterwards. */
  snapshot(): readonly Leaf[] {
    this.generation++;
    return this.leaves.slice();
  }

  private joins(leaf: Leaf, at: number, start: number, slot: number, offset: number): boolean {
    return (
      leaf.slot(at) === slot &&
      leaf.start(at) + leaf.sectors(at) === start &&
      leaf.offset(at) + leaf.sectors(at) === offset
    );
  }

  private addLeaf(li: number, leaf: Leaf, first: number): void {
    this.leaves.splice(li, 0, leaf);
    this.firsts.splice(li, 0, first);
  }

  /** The leaf, fit to be changed. */
  private own(li: number): Leaf {
    const leaf = this.leaves[li];
    assert(leaf !== undefined, 'a leaf that was found is there');
    if (leaf.generation === this.generation) return leaf;
    const copy = leaf.clone(this.generation);
    this.leaves[li] = copy;
    return copy;
  }

  /** The last leaf that begins at or before `start`, or the first one. */
  private leafAt(start: number): number {
    const firsts = this.firsts;
    let low = 0;
    let high = firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((firsts[middle] ?? 0) <= start) low = middle + 1;
      else high = middle;
    }
    return low > 0 ? low - 1 : 0;
  }
}
