/**
 * Which ranges of a volume changed between two snapshots, told by their maps alone. Where data lies elsewhere than before it was written, or moved
 * by reclaim: moved data says in its segment's entries in which segment it was first written, and it is the same when that is
 * the same in both snapshots.
 */
import type { Blobs } from '#cluster';
import { differenceOf } from '../volume/difference.ts';
import { birthOf, holdsData } from '../volume/entries.ts';
import type { Found } from '../volume/extent-map.ts';
import type { ReadOnlyVolume } from '../volume/read-only-volume.ts';
import type { VolumeState } from '../volume/reader.ts';
import { decodeSegmentHeader, segmentHeaderBytesMax } from '../volume/segment-format.ts';
import type { Segment } from '../volume/segments.ts';
import { sectorBytes } from '../volume/units.ts';

export interface ChangedRange {
  readonly offset: number;
  readonly length: number;
  /** Nothing is there any more. */
  readonly hole: boolean;
}

export interface ChangedParts {
  readonly blobs: Blobs;
  readonly volumeId: string;
  readonly now: ReadOnlyVolume;
  /** Absent: everything that has data counts. */
  readonly before: ReadOnlyVolume | undefined;
}

const windowBytes = 64 * 1024 * 1024;
const runsMax = 4096;
const knownMax = 256;

export async function* changedRanges(parts: ChangedParts): AsyncIterable<ChangedRange> {
  const { now, before } = parts;
  const births = new Births(parts);
  for (let at = 0; at < now.sizeBytes; ) {
    const range = { offset: at, length: Math.min(windowBytes, now.sizeBytes - at), runsMax };
    if (before === undefined) {
      for (const { bytes, hole } of now.allocation(range.offset, range.length, runsMax)) {
        if (!hole) yield { offset: at, length: bytes, hole: false };
        at += bytes;
      }
      continue;
    }
    for (const { bytes, differs } of differenceOf(now.state, before.state, range)) {
      if (differs) yield* births.changed(before.state, at, bytes);
      at += bytes;
    }
  }
}

class Births {
  private readonly parts: ChangedParts;
  /** Of the segments last asked for: where each entry's data begins, and its birth. */
  private readonly known = new Map<string, readonly (readonly [number, number])[]>();

  constructor(parts: ChangedParts) {
    this.parts = parts;
  }

  /** The parts of a range that are not just elsewhere than they were. */
  async *changed(before: VolumeState, offset: number, length: number): AsyncIterable<ChangedRange> {
    const now = this.parts.now.state;
    const a: Found = { slot: -1, offset: 0, sectors: 0 };
    const b: Found = { slot: -1, offset: 0, sectors: 0 };
    for (let at = offset; at < offset + length; ) {
      now.map.locate(at / sectorBytes, a);
      before.map.locate(at / sectorBytes, b);
      const most = (offset + length - at) / sectorBytes;
      const sectors = Math.min(a.sectors, b.sectors, most);
      const mine = a.slot < 0 ? undefined : { segment: now.segments.get(a.slot), at: a.offset };
      const theirs =
        b.slot < 0 ? undefined : { segment: before.segments.get(b.slot), at: b.offset };
      const part = await this.samePart(mine, theirs, sectors);
      const bytes = part.sectors * sectorBytes;
      if (!part.same) yield { offset: at, length: bytes, hole: mine === undefined };
      at += bytes;
    }
  }

  private async samePart(
    mine: Place | undefined,
    theirs: Place | undefined,
    sectors: number,
  ): Promise<{ readonly same: boolean; readonly sectors: number }> {
    if (mine === undefined || theirs === undefined || mine.segment.raw === true)
      return { same: false, sectors };
    const a = await this.birth(mine, sectors);
    if (!a.moved || theirs.segment.raw === true) return { same: false, sectors: a.sectors };
    const b = await this.birth(theirs, a.sectors);
    return { same: a.birth === b.birth, sectors: b.sectors };
  }

  /** When the data at a place was first written, and for how many sectors from there that is so. */
  private async birth(place: Place, sectors: number) {
    const entries = await this.entriesOf(place.segment);
    const after = entries.findIndex(([start]) => start > place.at);
    const [, kind = 0] = entries[(after < 0 ? entries.length : after) - 1] ?? [];
    const end = after < 0 ? Number.POSITIVE_INFINITY : (entries[after]?.[0] ?? 0);
    return {
      moved: kind !== 0,
      birth: birthOf(kind, place.segment.number),
      sectors: Math.min(sectors, end - place.at),
    };
  }

  private async entriesOf(segment: Segment): Promise<readonly (readonly [number, number])[]> {
    const found = this.known.get(segment.blobId);
    if (found !== undefined) return found;
    const { blobs, volumeId } = this.parts;
    const length = Math.min(segment.headerBytes, segmentHeaderBytesMax);
    const source = await blobs.read(segment.blobId, 0, length);
    const { entries } = decodeSegmentHeader(source, segment.owner ?? volumeId);
    const list: [number, number][] = [];
    let at = 0;
    for (let index = 0; index < entries.count; index++) {
      const kind = entries.kind(index);
      if (!holdsData(kind)) continue;
      list.push([at, kind]);
      at += entries.sectors(index);
    }
    if (this.known.size >= knownMax) this.known.clear();
    this.known.set(segment.blobId, list);
    return list;
  }
}

interface Place {
  readonly segment: Segment;
  readonly at: number;
}
