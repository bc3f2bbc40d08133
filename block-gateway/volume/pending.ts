/** A segment that is not in the store yet: being filled, or sealed and waiting. */
import { EntryList, entriesMax } from './entries.ts';
import type { LogFile } from './log-files.ts';
import { batchBytes } from './log-format.ts';
import type { SegmentExtent } from './segment-format.ts';
import type { Segment } from './segments.ts';

/** A write may bring a note of the time with it. */
const spareEntries = 2;

export class Pending {
  readonly segment: Segment;
  readonly buffer: Buffer;
  readonly previous: SegmentExtent;
  readonly entries = new EntryList();
  /** Its batches go to the storage nodes instead of this host's log. */
  readonly replicated: boolean;
  /** When the last note of the time was made among its entries, in milliseconds. */
  notedMs = 0;
  usedBytes = 0;
  sealed = false;
  /** So many segments that follow have parts of the same writes: it counts only with all of them. */
  together = 0;
  /** The log file that holds its batches, once there is one. */
  logFile: LogFile | undefined;
  logPosition = 0;
  logBatches = 0;
  loggedEntries = 0;
  loggedBytes = 0;
  /** A batch is being written: the log file can't be let go. */
  logging = false;
  /** Uploads whose replicas may still read the buffer. */
  uploads = 0;
  /** A replica was out of reach in the middle of an upload: the buffer may still be read, and is never filled again. */
  mayBeRead = false;
  /** The volume was closed meanwhile: the buffer goes back to the pool when the last upload lets go of it. */
  abandoned = false;

  constructor(
    segment: Segment,
    buffer: Buffer,
    options: { readonly previous: SegmentExtent; readonly replicated: boolean },
  ) {
    const { previous, replicated } = options;
    this.replicated = replicated;
    this.segment = segment;
    this.buffer = buffer;
    this.previous = previous;
  }

  get extent(): SegmentExtent {
    return { entries: this.entries.count, dataBytes: this.usedBytes };
  }

  /** Whether one more entry with so many bytes fits, the log file included. */
  fits(bytes: number, logFileBytes: number): boolean {
    if (
      this.usedBytes + bytes > this.buffer.length ||
      this.entries.count + spareEntries > entriesMax
    )
      return false;
    const entries = this.entries.count + spareEntries - this.loggedEntries;
    const data = this.usedBytes + bytes - this.loggedBytes;
    return this.logPosition + batchBytes(entries, data) <= logFileBytes;
  }
}
