/**
 * Reclaim: segments with little live data are emptied by writing what lives again, as an ordinary write of the same bytes.
 *
 * The check that a sector still lies where it was read from and the append of its copy happen in one step without waiting, so
 * the copy takes its place in the order of writes like any other, and no rule about the order of reclaimed segments is needed.
 * The emptied segment is deleted by the next checkpoint.
 */
import type { BackgroundWork, StepOutcome } from '#common';
import type { EngineContext } from './context.ts';
import { dataEntry, type EntryList } from './entries.ts';
import type { Found } from './extent-map.ts';
import type { Reader, VolumeState } from './reader.ts';
import { decodeSegmentHeader, segmentHeaderBytesMax } from './segment-format.ts';
import type { Segment } from './segments.ts';
import { sectorBytes, sectorsPerLine } from './units.ts';

export interface ReclaimerOptions {
  readonly context: EngineContext;
  readonly volumeId: string;
  readonly state: VolumeState;
  readonly reader: Reader;
  /** The first segment that is not in the last checkpoint. */
  readonly checkpointNext: () => number;
  readonly write: (offset: number, data: Buffer, from: number, length: number) => boolean;
  readonly room: () => Promise<void>;
}

export class Reclaimer implements BackgroundWork {
  readonly name = 'volume-reclaim';
  private readonly options: ReclaimerOptions;
  private readonly scratch = Buffer.alloc(sectorsPerLine * sectorBytes);
  rewrittenBytes = 0;

  constructor(options: ReclaimerOptions) {
    this.options = options;
  }

  async step(signal: AbortSignal): Promise<StepOutcome> {
    const segment = this.choose();
    if (segment === undefined) return 'idle';
    const header = await this.headerOf(segment);
    for (const piece of pieces(header.entries)) {
      if (signal.aborted || segment.liveSectors === 0) break;
      await this.move(segment, piece.start, piece.sectors, piece.offset);
    }
    return 'busy';
  }

  /** The emptiest segment, when enough of what the volume stores is dead. */
  private choose(): Segment | undefined {
    const { state, context, checkpointNext } = this.options;
    const { reclaimDeadShare, reclaimLiveShare } = context.settings;
    const { dataSectors, liveSectors } = state.segments;
    if (dataSectors - liveSectors <= dataSectors * reclaimDeadShare) return undefined;
    let best: Segment | undefined;
    let bestShare = reclaimLiveShare;
    for (const segment of state.segments.all()) {
      // Of what is dead already the next checkpoint takes care; what is younger than the last one has to stay for recovery.
      if (!segment.durable || segment.liveSectors === 0 || segment.number >= checkpointNext())
        continue;
      const share = (segment.liveSectors * sectorBytes) / segment.dataBytes;
      if (share >= bestShare) continue;
      best = segment;
      bestShare = share;
    }
    return best;
  }

  private async headerOf(segment: Segment): Promise<{ readonly entries: EntryList }> {
    const { context, volumeId } = this.options;
    const length = Math.min(segment.headerBytes, segmentHeaderBytesMax);
    return decodeSegmentHeader(await context.blobs.read(segment.blobId, 0, length), volumeId);
  }

  /** Writes again what of the range [start, start + sectors) still lies at `offset` of the segment. */
  private async move(
    segment: Segment,
    start: number,
    sectors: number,
    offset: number,
  ): Promise<void> {
    const { state, reader, write, room } = this.options;
    const found: Found = { slot: -1, offset: 0, sectors: 0 };
    for (let done = 0; done < sectors; ) {
      const count = Math.min(sectorsPerLine, sectors - done);
      const at = start + done;
      if (!this.anyLive(segment, at, count, offset + done)) {
        done += count;
        continue;
      }
      await reader.read(at * sectorBytes, count * sectorBytes, this.scratch, 0);
      let moved = 0;
      while (moved < count) {
        // From here to the append nothing waits: what the map says now is what the copy replaces.
        state.map.locate(at + moved, found);
        const run = Math.min(found.sectors, count - moved);
        const lives = found.slot === segment.slot && found.offset === offset + done + moved;
        if (
          lives &&
          !write((at + moved) * sectorBytes, this.scratch, moved * sectorBytes, run * sectorBytes)
        ) {
          await room();
          continue;
        }
        if (lives) this.rewrittenBytes += run * sectorBytes;
        moved += run;
      }
      done += count;
    }
  }

  private anyLive(segment: Segment, start: number, sectors: number, offset: number): boolean {
    const found: Found = { slot: -1, offset: 0, sectors: 0 };
    for (let done = 0; done < sectors; done += found.sectors) {
      this.options.state.map.locate(start + done, found);
      if (found.slot === segment.slot && found.offset === offset + done) return true;
    }
    return false;
  }
}

/** Data entries with their place in the segment's data; zero entries have none. */
function* pieces(entries: EntryList): Iterable<{ start: number; sectors: number; offset: number }> {
  let offset = 0;
  for (let at = 0; at < entries.count; at++) {
    if (entries.kind(at) !== dataEntry) continue;
    const sectors = entries.sectors(at);
    yield { start: entries.start(at), sectors, offset };
    offset += sectors;
  }
}
