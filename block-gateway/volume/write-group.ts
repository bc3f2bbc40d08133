/**
 * Writing again what lies in memory only: the new bytes take the place of the old, as in the page cache of a disk, and neither the log nor the
 * store sees what was there before. A segment that got bytes later than its own place in the order of writes says is no prefix of them by itself;
 * so all segments from the one that was changed to the newest at that time are bound together, and count after a crash all or none.
 *
 * Invariant: no segment of a group has been sent to the log or the store before the group was frozen.
 */
import type { EngineContext } from './context.ts';
import type { Found } from './extent-map.ts';
import type { Pending } from './pending.ts';
import type { VolumeState } from './reader.ts';
import type { Segment } from './segments.ts';
import { sectorBytes } from './units.ts';

/** Bytes of `source` from `from` on that are to lie at sector `start` of the volume. */
export interface NewBytes {
  readonly start: number;
  readonly sectors: number;
  readonly source: Buffer;
  readonly from: number;
}

export class WriteGroup {
  private readonly state: VolumeState;
  private readonly clock: EngineContext['clock'];
  private readonly found: Found = { slot: -1, offset: 0, sectors: 0 };
  private first = Number.POSITIVE_INFINITY;
  private last = 0;
  private sinceMs = 0;

  constructor(state: VolumeState, clock: EngineContext['clock']) {
    this.state = state;
    this.clock = clock;
  }

  get isEmpty(): boolean {
    return this.last === 0;
  }

  get ageMs(): number {
    return this.isEmpty ? 0 : this.clock.monotonicMs() - this.sinceMs;
  }

  has(number: number): boolean {
    return number >= this.first && number <= this.last;
  }

  /** Overwrites the whole range where it lies, if all of it lies where that may be done. `newest`: the last segment there is. */
  take(bytes: NewBytes, newest: number): boolean {
    const oldest = this.oldestOf(bytes);
    if (oldest === undefined) return false;
    this.overwrite(bytes);
    if (this.isEmpty) this.sinceMs = this.clock.monotonicMs();
    this.first = Math.min(this.first, oldest);
    this.last = newest;
    return true;
  }

  /** Nothing of these is changed in its place any more. */
  freeze(unstored: readonly Pending[]): void {
    for (const pending of unstored) {
      const { segment } = pending;
      segment.absorbs = false;
      if (this.has(segment.number)) pending.together = this.last - segment.number;
    }
    this.first = Number.POSITIVE_INFINITY;
    this.last = 0;
  }

  /** The first segment that has part of the range; undefined when some of it may not be overwritten. */
  private oldestOf({ start, sectors }: NewBytes): number | undefined {
    let oldest = Number.POSITIVE_INFINITY;
    for (let done = 0; done < sectors; done += this.found.sectors) {
      const segment = this.segmentAt(start + done);
      if (segment?.absorbs !== true) return undefined;
      oldest = Math.min(oldest, segment.number);
    }
    return oldest;
  }

  private overwrite({ start, sectors, source, from }: NewBytes): void {
    const { found } = this;
    for (let done = 0; done < sectors; done += found.sectors) {
      const buffer = this.segmentAt(start + done)?.buffer;
      const at = from + done * sectorBytes;
      const until = at + Math.min(found.sectors, sectors - done) * sectorBytes;
      if (buffer !== undefined) source.copy(buffer, found.offset * sectorBytes, at, until);
    }
  }

  private segmentAt(sector: number): Segment | undefined {
    this.state.map.locate(sector, this.found);
    return this.found.slot < 0 ? undefined : this.state.segments.get(this.found.slot);
  }
}
