/**
 * Writing: data goes to the open segment in memory and into the map, in one step without waiting; a full segment is sealed, sent to the
 * store and the next one begun. What is written again before it left memory is overwritten there (`write-group.ts`). Without a free buffer the
 * write waits.
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
import { WriteGroup } from './write-group.ts';

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
  /** What was bound together may be sent to the store. */
  readonly frozen: () => void;
}

export class Writer {
  private readonly options: WriterOptions;
  private open: Pending | undefined;
  private readonly unstored: Pending[] = [];
  private readonly group: WriteGroup;
  private nextNumber: number;
  private previous: SegmentExtent;
  private idleTimer: Timer | undefined;
  private lastWriteMs = 0;
  writtenBytes = 0;
  /** Of segments to come. */
  replicated: boolean;
  private keepsTime: boolean;

  constructor(options: WriterOptions) {
    this.options = options;
    this.replicated = options.replicated;
    this.keepsTime = options.timed;
    this.group = new WriteGroup(options.state, options.context.clock);
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

  /** Whether every write is kept with its time; then none takes the place of another. */
  set timed(timed: boolean) {
    if (timed && !this.keepsTime) this.seal();
    this.keepsTime = timed;
  }

  /** Takes the data, if there is room for it now. Bytes; at most a segment. `kind`: whose writing it is (`entries.ts`). */
  writeNow(
    offset: number,
    source: Buffer,
    from: number,
    length: number,
    kind = dataEntry,
  ): boolean {
    const start = offset / sectorBytes;
    const sectors = length / sectorBytes;
    const isGuests = kind === dataEntry;
    if (isGuests && this.group.take({ start, sectors, source, from }, this.nextNumber - 1)) {
      this.writtenBytes += length;
      this.noteWrite();
      return true;
    }
    const open = this.roomFor(length);
    if (open === undefined) return false;
    // What reclaim moved says when it was first written, and so would what took its place.
    if (!isGuests) open.segment.absorbs = false;
    source.copy(open.buffer, open.usedBytes, from, from + length);
    const { map, segments } = this.options.state;
    if (this.keepsTime) this.noteTime(open);
    open.entries.add(start, sectors, kind);
    map.put(start, sectors, open.segment.slot, open.usedBytes / sectorBytes);
    open.segment.liveSectors += sectors;
    segments.liveSectors += sectors;
    open.usedBytes += length;
    this.writtenBytes += length;
    this.noteWrite();
    return true;
  }

  /** Makes the range read as zeros, if there is room to say so now. */
  zeroNow(offset: number, length: number): boolean {
    const start = offset / sectorBytes;
    const sectors = length / sectorBytes;
    if (this.options.state.map.isHole(start, sectors)) return true;
    const open = this.roomFor(0);
    if (open === undefined) return false;
    if (this.keepsTime) this.noteTime(open);
    open.entries.add(start, sectors, zeroEntry);
    this.options.state.map.cut(start, sectors);
    this.noteWrite();
    return true;
  }

  /** Sends off what there is as it is. */
  seal(): void {
    this.sealOpen();
    this.freeze();
  }

  /** What was written until now stays as it is in memory, and may go where it is to be safe. */
  freeze(): void {
    this.group.freeze(this.unstored);
    this.options.frozen();
  }

  /** Whether the segment may go to the store: nothing is written to it any more. */
  ready(pending: Pending): boolean {
    if (this.group.has(pending.segment.number)) return false;
    pending.segment.absorbs = false;
    return true;
  }

  private sealOpen(): void {
    const open = this.open;
    if (open === undefined) return;
    this.open = undefined;
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

  private noteWrite(): void {
    this.lastWriteMs = this.options.context.clock.monotonicMs();
    this.options.noteAppend();
  }

  private roomFor(bytes: number): Pending | undefined {
    const { context } = this.options;
    if (this.open?.fits(bytes, context.logFiles.fileBytes) === true) return this.open;
    this.sealOpen();
    const crowded = this.unstored.length >= context.settings.volumeSegmentsMax;
    const buffer = crowded ? undefined : context.buffers.take(this);
    if (buffer === undefined) {
      this.freeze();
      return undefined;
    }
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
    segment.absorbs = !this.keepsTime;
    const open = new Pending(segment, buffer, {
      previous: this.previous,
      replicated: this.replicated,
    });
    this.open = open;
    this.unstored.push(open);
    this.idleTimer ??= this.watch(this.options.context.settings.idleSealMs);
    return open;
  }

  /** Sends off what got no write for a while, and what was kept back for being written again and again. */
  private watch(delayMs: number): Timer {
    const { clock, settings } = this.options.context;
    return clock.after(delayMs, () => {
      this.idleTimer = undefined;
      if (this.open === undefined && this.group.isEmpty) return;
      const leftMs = Math.min(
        settings.idleSealMs - (clock.monotonicMs() - this.lastWriteMs),
        settings.writeBackMs - this.group.ageMs,
      );
      if (leftMs > 0) this.idleTimer = this.watch(leftMs);
      else this.seal();
    });
  }
}
