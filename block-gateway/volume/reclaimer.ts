/**
 * Reclaim: segments with little live data are emptied by writing what lives again, as an ordinary write of the same bytes.
 *
 * The check that a sector still lies where it was read from and the append of its copy happen in one step without waiting, so
 * the copy takes its place in the order of writes like any other, and no rule about the order of reclaimed segments is needed.
 * The emptied segment is deleted by the next checkpoint.
 */
import type { BackgroundWork, StepOutcome } from '#common';
import type { EngineContext } from './context.ts';
import { birthOf, type EntryList, holdsData, movedEntry } from './entries.ts';
import type { Found } from './extent-map.ts';
import type { PinSet } from './pin-set.ts';
import type { Reader, VolumeState } from './reader.ts';
import { decodeSegmentHeader, segmentHeaderBytesMax } from './segment-format.ts';
import type { Segment } from './segments.ts';
import { sectorBytes, sectorsPerLine } from './units.ts';

export interface ReclaimerOptions {
  readonly context: EngineContext;
  readonly volumeId: string;
  readonly state: VolumeState;
  readonly reader: Reader;
  readonly pins: PinSet;
  /** The first segment that is not in the last checkpoint. */
  readonly checkpointNext: () => number;
  readonly write: (move: Move) => boolean;
  readonly room: () => Promise<void>;
}

/** Data to be written again; `kind` says in which segment it was written first. */
export interface Move {
  readonly offset: number;
  readonly data: Buffer;
  readonly from: number;
  readonly length: number;
  readonly kind: number;
}

interface Piece {
  readonly start: number;
  readonly sectors: number;
  readonly offset: number;
  readonly kind: number;
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
    for (const piece of pieces(header.entries, segment.number)) {
      if (signal.aborted || segment.liveSectors === 0) break;
      await this.move(segment, piece);
    }
    return 'busy';
  }

  /** The emptiest segment, when enough of what the volume could give back is dead. */
  private choose(): Segment | undefined {
    const { state, context, checkpointNext } = this.options;
    const { reclaimDeadShare, reclaimLiveShare } = context.settings;
    let best: Segment | undefined;
    let bestMerit = 1;
    let dataBytes = 0;
    let liveBytes = 0;
    for (const segment of state.segments.all()) {
      if (segment.owner !== undefined) continue;
      const live = segment.liveSectors * sectorBytes;
      dataBytes += segment.dataBytes;
      liveBytes += live;
      // Of what is dead already the next checkpoint takes care; what is younger than the last one has to stay for recovery.
      if (!segment.durable || live === 0 || segment.number >= checkpointNext()) continue;
      const most = this.isPinned(segment) ? reclaimLiveShare / 2 : reclaimLiveShare;
      const merit = live / segment.dataBytes / most;
      if (merit >= bestMerit) continue;
      best = segment;
      bestMerit = merit;
    }
    return dataBytes - liveBytes <= dataBytes * reclaimDeadShare ? undefined : best;
  }

  /**
   * Emptying a segment gives nothing back before the last pin that refers to it is gone. But where snapshots come and go there is always one, so such
   * segments have their turn as well, when little has to be moved.
   */
  private isPinned(segment: Segment): boolean {
    return this.options.pins.pinned(segment.number, Number.MAX_SAFE_INTEGER);
  }

  private async headerOf(segment: Segment): Promise<{ readonly entries: EntryList }> {
    const { context, volumeId } = this.options;
    const length = Math.min(segment.headerBytes, segmentHeaderBytesMax);
    return decodeSegmentHeader(await context.blobs.read(segment.blobId, 0, length), volumeId);
  }

  /** Writes again what of the range [start, start + sectors) still lies at `offset` of the segment. */
  private async move(segment: Segment, piece: Piece): Promise<void> {
    const { start, sectors, offset, kind } = piece;
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
        const move = {
          offset: (at + moved) * sectorBytes,
          data: this.scratch,
          from: moved * sectorBytes,
          length: run * sectorBytes,
          kind,
        };
        if (lives && !write(move)) {
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
function* pieces(entries: EntryList, number: number): Iterable<Piece> {
  let offset = 0;
  for (let at = 0; at < entries.count; at++) {
    if (!holdsData(entries.kind(at))) continue;
    const sectors = entries.sectors(at);
    const kind = movedEntry(birthOf(entries.kind(at), number));
    yield { start: entries.start(at), sectors, offset, kind };
    offset += sectors;
  }
}
