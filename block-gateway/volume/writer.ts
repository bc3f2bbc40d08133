/**
 * Writing: data goes to the open segment in memory and into the map, in one step without waiting; a full segment is sealed, sent to the
 * store and the next one begun. Without a free buffer the write waits.
 */
import { Failure, type Timer } from '#common';
import { segmentBlobId } from './blob-names.ts';
import type { EngineContext } from './context.ts';
import { dataEntry, timeEntry, zeroEntry } from './entries.ts';
import type { LineCipher } from './line-cipher.ts';
import { Pending } from './pending.ts';
import type { VolumeState } from './reader.ts';
import { type SegmentExtent, segmentHeaderBytes } from './segment-format.ts';
import { sectorBytes } from './units.ts';

export interface WriterOptions {
  readonly context: EngineContext;
  readonly state: VolumeState;
  readonly volumeId: string;
  readonly epoch: number;
  readonly cipher: LineCipher | undefined;
  /** The number of the first segment. */
  readonly first: number;
  /** How much the segment before it holds. */
  readonly previous: SegmentExtent;
  readonly replicated: boolean;
  /** Whether entries are to say when they happened. */
  readonly timed: boolean;
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
  /** Of segments to come. */
  replicated: boolean;
  timed: boolean;

  constructor(options: WriterOptions) {
    this.options = options;
    this.replicated = options.replicated;
    this.timed = options.timed;
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

  /** Takes the data, if there is room for it now. Bytes; at most a segment. `kind`: whose writing it is (`entries.ts`). */
  writeNow(
    offset: number,
    source: Buffer,
    from: number,
    length: number,
    kind = dataEntry,
  ): boolean {
    const open = this.roomFor(length);
    if (open === undefined) return false;
    const start = offset / sectorBytes;
    const sectors = length / sectorBytes;
    source.copy(open.buffer, open.usedBytes, from, from + length);
    const { map, segments } = this.options.state;
    if (this.timed) this.noteTime(open);
    open.entries.add(start, sectors, kind);
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
    if (this.timed) this.noteTime(open);
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

  /** Says among the entries what time it is, when the last such note is a while ago. */
  private noteTime(open: Pending): void {
    const { clock, settings } = this.options.context;
    const nowMs = Math.floor(clock.nowUs() / 1000);
    if (nowMs - open.notedMs < settings.instantMs) return;
    open.notedMs = nowMs;
    open.entries.add(nowMs, 1, timeEntry);
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
    const { cipher } = this.options;
    const segment = state.segments.add({ number, epoch, blobId, cipher });
    segment.buffer = buffer;
    const open = new Pending(segment, buffer, {
      previous: this.previous,
      replicated: this.replicated,
    });
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
