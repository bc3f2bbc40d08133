/** Reading: what is in memory is copied at once; the rest comes line by line from the store. */
import type { EngineContext } from './context.ts';
import type { ExtentMap, Found } from './extent-map.ts';
import { LineCache } from './line-cache.ts';
import type { Segment, SegmentTable } from './segments.ts';
import { lineBytes, sectorBytes } from './units.ts';

interface Miss {
  readonly segment: Segment;
  readonly line: number;
  readonly from: number;
  readonly length: number;
  readonly at: number;
  /** Lines from this one on that the same request wants. */
  readonly wanted: number;
}

export interface VolumeState {
  readonly map: ExtentMap;
  readonly segments: SegmentTable;
}

export class Reader {
  private readonly context: EngineContext;
  private readonly state: VolumeState;
  private readonly found: Found = { slot: -1, offset: 0, sectors: 0 };

  constructor(context: EngineContext, state: VolumeState) {
    this.context = context;
    this.state = state;
  }

  /** Fills `target` if everything is in memory; false when not, and then `target` holds anything. Bytes. */
  readNow(offset: number, length: number, target: Buffer, at: number): boolean {
    return this.gather(offset, length, target, at, undefined);
  }

  async read(offset: number, length: number, target: Buffer, at: number): Promise<void> {
    const misses: Miss[] = [];
    this.gather(offset, length, target, at, misses);
    // The first line of a run asks for the run, so asking for all before waiting makes one read of it.
    const coming = misses.map(({ segment, line, wanted, at, from, length }) =>
      this.context.fetcher.use(segment, line, wanted, (data) => {
        data.copy(target, at, from, from + length);
      }),
    );
    await Promise.all(coming);
  }

  /** Starts bringing the range into the cache. */
  ahead(offset: number, length: number): void {
    const end = (offset + length) / sectorBytes;
    const found = this.found;
    for (let sector = offset / sectorBytes; sector < end; ) {
      this.state.map.locate(sector, found);
      const sectors = Math.min(found.sectors, end - sector);
      sector += sectors;
      if (found.slot < 0) continue;
      const segment = this.state.segments.get(found.slot);
      if (segment.buffer !== undefined) continue;
      const first = found.offset * sectorBytes;
      const last = first + sectors * sectorBytes - 1;
      this.context.fetcher.ahead(
        segment,
        Math.floor(first / lineBytes),
        Math.floor(last / lineBytes) + 1,
      );
    }
  }

  /** Copies what is in memory; notes the rest in `misses`, or gives up at the first when there is no such list. */
  private gather(
    offset: number,
    length: number,
    target: Buffer,
    at: number,
    misses: Miss[] | undefined,
  ): boolean {
    const found = this.found;
    const end = (offset + length) / sectorBytes;
    let to = at;
    for (let sector = offset / sectorBytes; sector < end; ) {
      this.state.map.locate(sector, found);
      const sectors = Math.min(found.sectors, end - sector);
      const bytes = sectors * sectorBytes;
      if (found.slot < 0) target.fill(0, to, to + bytes);
      else if (!this.piece(found, bytes, target, to, misses)) return false;
      to += bytes;
      sector += sectors;
    }
    return true;
  }

  private piece(
    found: Found,
    bytes: number,
    target: Buffer,
    at: number,
    misses: Miss[] | undefined,
  ): boolean {
    const segment = this.state.segments.get(found.slot);
    const start = found.offset * sectorBytes;
    if (segment.buffer !== undefined) {
      segment.buffer.copy(target, at, start, start + bytes);
      return true;
    }
    const lastLine = Math.floor((start + bytes - 1) / lineBytes);
    for (let done = 0; done < bytes; ) {
      const line = Math.floor((start + done) / lineBytes);
      const from = (start + done) % lineBytes;
      const length = Math.min(lineBytes - from, bytes - done);
      const key = LineCache.key(segment.cacheId, line);
      if (!this.context.cache.copy(key, from, length, target, at + done)) {
        if (misses === undefined) return false;
        misses.push({ segment, line, from, length, at: at + done, wanted: lastLine - line + 1 });
      }
      done += length;
    }
    return true;
  }
}
