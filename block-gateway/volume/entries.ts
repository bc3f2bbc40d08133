/**
 * The writes of one segment in the order in which they happened: each a run of sectors that got data or was zeroed. The data
 * lies one after another in the same order, so an entry's place in the data is the sum of those before it.
 *
 * A kind is a number: 0 data that a guest wrote, 1 zeros, 2 a note of the time (its start is milliseconds since 1970), and
 * 4 × birth + 3 data that reclaim moved here, first written in segment `birth` at the earliest.
 */
import { corruptFormat, readU64, writeU64 } from './words.ts';

export const entryBytes = 16;
/** 16,384 single sectors fill a segment of 8 MiB. */
export const entriesMax = 16_384;
export const dataEntry = 0;
export const zeroEntry = 1;
export const timeEntry = 2;
const movedMark = 3;
const birthMax = 2 ** 30 - 1;

/** The kind of data that was first written in segment `birth`. */
export function movedEntry(birth: number): number {
  return birth > birthMax ? dataEntry : birth * 4 + movedMark;
}

export function holdsData(kind: number): boolean {
  return kind === dataEntry || kind % 4 === movedMark;
}

/** In which segment the data of an entry of segment `number` was first written. */
export function birthOf(kind: number, number: number): number {
  return kind % 4 === movedMark ? Math.floor(kind / 4) : number;
}

function isKnown(kind: number): boolean {
  return kind <= timeEntry || kind % 4 === movedMark;
}

const growEntries = 512;

export class EntryList {
  count = 0;
  private starts = new Float64Array(growEntries);
  private lengths = new Uint32Array(growEntries);
  private kinds = new Uint32Array(growEntries);

  start(at: number): number {
    return this.starts[at] ?? 0;
  }

  sectors(at: number): number {
    return this.lengths[at] ?? 0;
  }

  kind(at: number): number {
    return this.kinds[at] ?? 0;
  }

  add(start: number, sectors: number, kind: number): void {
    if (this.count === this.starts.length) this.grow();
    this.starts[this.count] = start;
    this.lengths[this.count] = sectors;
    this.kinds[this.count] = kind;
    this.count++;
  }

  /** Writes the entries [from, until) at `at`. */
  encode(target: Buffer, at: number, from: number, until: number): void {
    for (let index = from, position = at; index < until; index++, position += entryBytes) {
      writeU64(target, this.start(index), position);
      target.writeUInt32LE(this.sectors(index), position + 8);
      target.writeUInt32LE(this.kind(index), position + 12);
    }
  }

  /** Reads `count` entries and returns the sectors of data they stand for. */
  decode(source: Buffer, at: number, count: number): number {
    let dataSectors = 0;
    for (let index = 0, position = at; index < count; index++, position += entryBytes) {
      const start = readU64(source, position);
      const sectors = source.readUInt32LE(position + 8);
      const kind = source.readUInt32LE(position + 12);
      if (!isKnown(kind) || sectors === 0) throw corruptFormat('bad-entry', { index });
      this.add(start, sectors, kind);
      if (holdsData(kind)) dataSectors += sectors;
    }
    return dataSectors;
  }

  private grow(): void {
    const size = this.starts.length * 2;
    const starts = new Float64Array(size);
    const lengths = new Uint32Array(size);
    const kinds = new Uint32Array(size);
    starts.set(this.starts);
    lengths.set(this.lengths);
    kinds.set(this.kinds);
    this.starts = starts;
    this.lengths = lengths;
    this.kinds = kinds;
  }
}
