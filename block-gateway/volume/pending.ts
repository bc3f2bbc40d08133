/** A segment that is not in the store yet: being filled, or sealed and waiting. */
import { EntryList, entriesMax } from './entries.ts';
import type { LogFile } from './log-files.ts';
import { batchBytes } from './log-format.ts';
import type { SegmentExtent } from './segment-format.ts';
import type { Segment } from './segments.ts';

export class Pending {
  readonly segment: Segment;
  readonly buffer: Buffer;
  readonly previous: SegmentExtent;
  readonly entries = new EntryList();
  usedBytes = 0;
  sealed = false;
  /** The log file that holds its batches, once there is one. */
  logFile: LogFile | undefined;
  logPosition = 0;
  logBatches = 0;
  loggedEntries = 0;
  loggedBytes = 0;
  /** A batch is being written: the log file can't be let go. */
  logging = false;
  lastAppendMs = 0;
  /** Uploads whose replicas may still read the buffer. */
  uploads = 0;
  /** The volume was closed meanwhile: the buffer goes back to the pool when the last upload lets go of it. */
  abandoned = false;

  constructor(segment: Segment, buffer: Buffer, previous: SegmentExtent) {
    this.segment = segment;
    this.buffer = buffer;
    this.previous = previous;
  }

  get extent(): SegmentExtent {
    return { entries: this.entries.count, dataBytes: this.usedBytes };
  }

  /** Whether one more entry with so many bytes fits, the log file included. */
  fits(bytes: number, logFileBytes: number): boolean {
    if (this.usedBytes + bytes > this.buffer.length || this.entries.count >= entriesMax)
      return false;
    const entries = this.entries.count + 1 - this.loggedEntries;
    const data = this.usedBytes + bytes - this.loggedBytes;
    return this.logPosition + batchBytes(entries, data) <= logFileBytes;
  }
}
