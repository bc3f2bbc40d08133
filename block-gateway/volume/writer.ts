/**
 * Writing: data goes to the open segment in memory and into the map, in one step without waiting; a full segment is sealed, sent to the
 * store and the next one begun. Without a free buffer the write waits.
 */
import { Failure, type Timer } from '#common';
import { segmentBlobId } from './blob-names.ts';
import type { EngineContext } from './context.ts';
import { dataEntry, zeroEntry } from './entries.ts';
import { Pending } from './pending.ts';
import type { VolumeState } from './reader.ts';
import { type SegmentExtent, segmentHeaderBytes } from './segment-format.ts';
import { sectorBytes } from './units.ts';

export interface WriterOptions {
  readonly context: EngineContext;
  readonly state: VolumeState;
  readonly volumeId: string;
  readonly epoch: number;
  /** The number of the first segment. */
  readonly first: number;
  /** How much the segment before it holds. */
  readonly previous: SegmentExtent;
  readonly noteAppend: () => void;
  readonly sealed: (pending: Pending) => void;
}

export class Writer {
  private readonly options: WriterOptions;
  private open: Pending | undefined;
  private readonly unstored: Pending[] = [];
  private nextNumber: number;
  private previous: SegmentExtent;
  private idleTimer: Timer | undefined;
  writtenBytes = 0;

  constructor(options: WriterOptions) {
    this.options = options;
    this.nextNumber = options.first;
    this.previous = options.previous;
    options.context.buffers.join(this);
  }

  /** Segments that are not in the store, oldest first; the open one is the last. */
  get pending(): readonly Pending[] {
    return this.unstored;
  }

  /** The last segment that was sealed. */
  get lastSealed(): number {
    return this.open === undefined ? this.nextNumber - 1 : this.nextNumber - 2;
  }

  /** Takes the data, if there is room for it now. Bytes; at most a segment. */
  writeNow(offset: number, source: Buffer, from: number, length: number): boolean {
    const open = this.roomFor(length);
    if (open === undefined) return false;
    const start = offset / sectorBytes;
    const sectors = length / sectorBytes;
    source.copy(open.buffer, open.usedBytes, from, from + length);
    const { map, segments } = this.options.state;
    open.entries.add(start, sectors, dataEntry);
    map.put(start, sectors, open.segment.slot, open.usedBytes / sectorBytes);
    open.segment.liveSectors += sectors;
    segments.liveSectors += sectors;
    open.usedBytes += length;
    this.writtenBytes += length;
    this.appended(open);
    return true;
  }

  /** Makes the range read as zeros, if there is room to say so now. */
  zeroNow(offset: number, length: number): boolean {
    const start = offset / sectorBytes;
    const sectors = length / sectorBytes;
    if (this.options.state.map.isHole(start, sectors)) return true;
    const open = this.roomFor(0);
    if (open === undefined) return false;
    open.entries.add(start, sectors, zeroEntry);
    this.options.state.map.cut(start, sectors);
    this.appended(open);
    return true;
  }

  /** Sends the open segment off as it is. */
  seal(): void {
    const open = this.open;
    if (open === undefined) return;
    this.open = undefined;
    this.idleTimer?.cancel();
    open.sealed = true;
    open.segment.headerBytes = segmentHeaderBytes(open.entries.count);
    open.segment.dataBytes = open.usedBytes;
    this.options.state.segments.dataSectors += open.usedBytes / sectorBytes;
    this.previous = open.extent;
    this.options.sealed(open);
  }

  /** Another volume needs memory. */
  yieldBuffer(): void {
    this.seal();
  }

  /** The segment is in the store. */
  noteStored(pending: Pending): void {
    const at = this.unstored.indexOf(pending);
    if (at >= 0) this.unstored.splice(at, 1);
  }

  stop(): void {
    this.idleTimer?.cancel();
    this.options.context.buffers.leave(this);
  }

  private appended(open: Pending): void {
    open.lastAppendMs = this.options.context.clock.monotonicMs();
    this.options.noteAppend();
  }

  private roomFor(bytes: number): Pending | undefined {
    const { context } = this.options;
    if (this.open?.fits(bytes, context.logFiles.fileBytes) === true) return this.open;
    this.seal();
    if (this.unstored.length >= context.settings.volumeSegmentsMax) return undefined;
    const buffer = context.buffers.take(this);
    if (buffer === undefined) return undefined;
    const open = this.begin(buffer);
    if (!open.fits(bytes, context.logFiles.fileBytes)) {
      throw new Failure('bug', 'write-too-large', 'A write is larger than a segment', {
        facts: { bytes },
      });
    }
    return open;
  }

  private begin(buffer: Buffer): Pending {
    const { volumeId, epoch, state } = this.options;
    const number = this.nextNumber++;
    const blobId = segmentBlobId(volumeId, number, epoch);
    const segment = state.segments.add({ number, epoch, blobId });
    segment.buffer = buffer;
    const open = new Pending(segment, buffer, this.previous);
    this.open = open;
    this.unstored.push(open);
    this.watchIdle(open, this.options.context.settings.idleSealMs);
    return open;
  }

  private watchIdle(open: Pending, delayMs: number): void {
    const { clock, settings } = this.options.context;
    this.idleTimer = clock.after(delayMs, () => {
      if (this.open !== open) return;
      const idleMs = clock.monotonicMs() - open.lastAppendMs;
      if (idleMs >= settings.idleSealMs) this.seal();
      else this.watchIdle(open, settings.idleSealMs - idleMs);
    });
  }
}
