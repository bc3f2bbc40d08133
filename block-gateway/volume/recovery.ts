/**
 * Opening a volume: from the head row to a map that holds a consistent prefix of the writes, everything flushed included.
 *   1. Raise the epoch in the head row (compare-and-set) and on the storage nodes: whoever wrote before can't any more.
 *   2. Load the checkpoint; apply the segments of the tail's closed runs.
 *   3. Of the open-ended run, take segment after segment: from the store, or else from this host's write log. A segment counts only when
 *      the one before it is there as long as its own header says; the first that doesn't ends the prefix.
 *   4. Store again, under the new epoch, what came from the log and what may lie on fewer than a majority of nodes (the last
 *      `uploadWindow` of the store); then close the run in the head row and begin a new one. Only now is the old log worth nothing.
 *   5. Delete what the prefix doesn't reach, and what an opening that died in step 4 left behind.
 */
import { isFailure } from '#common';
import { checkpointBlobId, segmentBlobId } from './blob-names.ts';
import { checkpointPartBytesMax, decodeCheckpointPart } from './checkpoint-format.ts';
import { type EngineContext, uploadWindow } from './context.ts';
import { dataEntry, type EntryList } from './entries.ts';
import { ExtentMap } from './extent-map.ts';
import type { CheckpointRef, Run, VolumeHead } from './head.ts';
import { changeHead, changeOwnHead } from './head-row.ts';
import type { LogFile } from './log-files.ts';
import type { LoggedSegment } from './log-format.ts';
import type { VolumeState } from './reader.ts';
import {
  decodeSegmentHeader,
  encodeLines,
  encodeSegmentHeader,
  openLine,
  placeOfLine,
  type SegmentExtent,
  type SegmentHeader,
  segmentHeaderLength,
  storedLineBytes,
} from './segment-format.ts';
import { type Segment, SegmentTable } from './segments.ts';
import { lineBytes, sectorBytes } from './units.ts';
import { corruptFormat, volumeIdBytes } from './words.ts';

export interface Opened {
  readonly head: VolumeHead;
  readonly epoch: number;
  readonly state: VolumeState;
  /** The number of the next segment. */
  readonly next: number;
  /** How much the segment before it holds. */
  readonly previous: SegmentExtent;
}

/** What was taken of an open-ended run: where the new run begins, and what comes next. */
interface Kept {
  readonly settled: number;
  readonly next: number;
  readonly previous: SegmentExtent;
}

const noExtent: SegmentExtent = { entries: 0, dataBytes: 0 };

/** Beyond the first segment that is missing, at most so many more may have been under way. */
export const strayWindow = uploadWindow * 2;
const blobReadMax = 1024 * 1024;
const headersAtOnce = 8;

export async function openVolume(context: EngineContext, volumeId: string): Promise<Opened> {
  const before = await raiseEpoch(context, volumeId);
  const epoch = before.epoch + 1;
  await context.blobs.raiseFence({ scope: volumeId, epoch });
  return new Recovery(context, before, epoch).run();
}

/** The head as it was, apart from the epoch. */
async function raiseEpoch(context: EngineContext, volumeId: string): Promise<VolumeHead> {
  let before: VolumeHead | undefined;
  await changeHead(context.tables, volumeId, (head) => {
    before = head;
    return { ...head, epoch: head.epoch + 1, gateway: context.gateway };
  });
  if (before === undefined) throw corruptFormat('head-unread');
  return before;
}

export function newState(context: EngineContext): VolumeState {
  const segments = new SegmentTable(context.cacheIds);
  const map = new ExtentMap((slot, sectors) => {
    segments.get(slot).liveSectors -= sectors;
    segments.liveSectors -= sectors;
  });
  return { map, segments };
}

class Recovery {
  private readonly context: EngineContext;
  private readonly before: VolumeHead;
  private readonly epoch: number;
  private readonly state: VolumeState;
  /** Segments that were dead in the checkpoint: its writer may not have come to deleting them. */
  private dead: Segment[] = [];

  constructor(context: EngineContext, before: VolumeHead, epoch: number) {
    this.context = context;
    this.before = before;
    this.epoch = epoch;
    this.state = newState(context);
  }

  async run(): Promise<Opened> {
    const { before, context, epoch } = this;
    const logs = context.logFiles.claimsOf(volumeIdBytes(before.id).toString('hex'));
    try {
      if (before.checkpoint !== undefined) await this.loadCheckpoint(before.checkpoint);
      const closed = before.tail.filter((run) => run.end !== undefined);
      for (const run of closed) await this.replay(run.epoch, run.first, run.end ?? run.first);
      const last = before.tail.find((run) => run.end === undefined);
      const first = last?.first ?? closed.at(-1)?.end ?? before.checkpoint?.next ?? 1;
      const kept = last === undefined ? nothingKept(first) : await this.tail(last, logs);
      const tail = [...closed, ...closedRun(last, kept.settled), { epoch, first: kept.settled }];
      const head = await changeOwnHead(context.tables, before.id, epoch, (present) => ({
        ...present,
        tail,
      }));
      for (const log of logs) context.logFiles.release(log);
      if (last !== undefined) await this.deleteStrays(last, kept);
      await this.deleteDead();
      return { head, epoch, state: this.state, next: kept.next, previous: kept.previous };
    } catch (error) {
      this.state.segments.clear((cacheId) => context.cache.drop(cacheId));
      throw error;
    }
  }

  private async loadCheckpoint(checkpoint: CheckpointRef): Promise<void> {
    const { context, before, state } = this;
    const { epoch, serial } = checkpoint;
    const into = { ...state, sizeBytes: before.sizeBytes };
    for (let part = 0; part < checkpoint.parts; part++) {
      const id = checkpointBlobId(before.id, checkpoint, part);
      const source = await readBlob(context, id, checkpointPartBytesMax);
      decodeCheckpointPart(source, { volumeId: before.id, epoch, serial }, part, into);
    }
    for (const segment of state.segments.all())
      if (segment.liveSectors === 0) this.dead.push(segment);
  }

  /** Applies segments that are known to be in the store. */
  private async replay(epoch: number, first: number, end: number): Promise<void> {
    for (let at = first; at < end; at += headersAtOnce) {
      const numbers = sequence(at, Math.min(at + headersAtOnce, end));
      const headers = await Promise.all(numbers.map((number) => this.header(number, epoch)));
      for (const [index, header] of headers.entries()) {
        if (header === undefined) throw corruptFormat('segment-missing', { number: at + index });
        this.apply(header);
      }
    }
  }

  /** Takes what follows of the open-ended run; returns where the new run begins, and the next number. */
  private async tail(run: Run, logs: readonly LogFile[]): Promise<Kept> {
    const { found, lastStored } = await this.stored(run);
    let settled = run.first;
    let next = run.first;
    let previous: SegmentExtent | undefined;
    for (; ; next++) {
      const header = found.get(next);
      const segment = header ?? (await this.logged(run, next, logs));
      if (segment === undefined || !follows(segment.previous, previous)) break;
      const settles = header !== undefined && next === settled && next <= lastStored - uploadWindow;
      if (header !== undefined && settles) {
        this.apply(header);
        settled++;
      } else {
        const data = 'data' in segment ? segment.data : await this.dataOf(segment);
        await this.adopt(next, segment.previous, segment.entries, data);
      }
      previous = extentOf(segment);
    }
    return { settled, next, previous: previous ?? noExtent };
  }

  /** The headers of the open-ended run's segments that are in the store; holes are possible near the end. */
  private async stored(
    run: Run,
  ): Promise<{ readonly found: ReadonlyMap<number, SegmentHeader>; readonly lastStored: number }> {
    const found = new Map<number, SegmentHeader>();
    let lastStored = run.first - 1;
    for (let at = run.first; at <= lastStored + strayWindow; at += headersAtOnce) {
      const numbers = sequence(at, at + headersAtOnce);
      const headers = await Promise.all(numbers.map((number) => this.header(number, run.epoch)));
      for (const header of headers) {
        if (header === undefined) continue;
        found.set(header.number, header);
        lastStored = header.number;
      }
    }
    return { found, lastStored };
  }

  private async logged(
    run: Run,
    number: number,
    logs: readonly LogFile[],
  ): Promise<LoggedSegment | undefined> {
    const file = logs.find(({ label }) => label?.number === number && label.epoch === run.epoch);
    return file === undefined ? undefined : await this.context.logFiles.read(file);
  }

  private async header(number: number, epoch: number): Promise<SegmentHeader | undefined> {
    const { context, before } = this;
    const id = segmentBlobId(before.id, number, epoch);
    try {
      let source = await context.blobs.read(id, 0, lineBytes);
      const length = segmentHeaderLength(source);
      if (length > source.length) source = await context.blobs.read(id, 0, length);
      const header = decodeSegmentHeader(source, before.id);
      if (header.number === number && header.epoch === epoch) return header;
      throw corruptFormat('segment-identity', { number });
    } catch (error) {
      if (isFailure(error, 'missing')) return undefined;
      throw error;
    }
  }

  private async dataOf(header: SegmentHeader): Promise<Buffer> {
    const id = segmentBlobId(this.before.id, header.number, header.epoch);
    const data = Buffer.alloc(header.dataBytes);
    const perRead = Math.floor(blobReadMax / storedLineBytes);
    const lines = Math.ceil(header.dataBytes / lineBytes);
    for (let line = 0; line < lines; line += perRead) {
      const first = placeOfLine(header, line).offset;
      const stored = await this.context.blobs.read(id, first, perRead * storedLineBytes);
      for (let at = line; at < Math.min(lines, line + perRead); at++) {
        const place = placeOfLine(header, at);
        const piece = stored.subarray(place.offset - first, place.offset - first + storedLineBytes);
        openLine(piece, place.dataBytes, header.number, at).copy(data, at * lineBytes);
      }
    }
    return data;
  }

  /** Stores a recovered segment under our epoch. */
  private async adopt(
    number: number,
    previous: SegmentExtent,
    entries: EntryList,
    data: Buffer,
  ): Promise<void> {
    const { context, before, epoch } = this;
    const volumeId = before.id;
    const header = { volumeId, number, epoch, dataBytes: data.length, previous, entries };
    const bytes = encodeSegmentHeader(header);
    await context.blobs.put([bytes, ...encodeLines(data, number)], {
      id: segmentBlobId(volumeId, number, epoch),
      fence: { scope: volumeId, epoch },
    });
    this.apply({ ...header, headerBytes: bytes.length });
  }

  private apply(header: SegmentHeader): void {
    const { map, segments } = this.state;
    const { number, epoch, entries } = header;
    const blobId = segmentBlobId(this.before.id, number, epoch);
    const segment = segments.add({ number, epoch, blobId });
    segment.headerBytes = header.headerBytes;
    segment.dataBytes = header.dataBytes;
    segment.durable = true;
    segments.dataSectors += header.dataBytes / sectorBytes;
    let offset = 0;
    for (let at = 0; at < entries.count; at++) {
      const start = entries.start(at);
      const sectors = entries.sectors(at);
      if ((start + sectors) * sectorBytes > this.before.sizeBytes)
        throw corruptFormat('entry-outside', { number, start });
      if (entries.kind(at) !== dataEntry) {
        map.cut(start, sectors);
        continue;
      }
      map.put(start, sectors, segment.slot, offset);
      segment.liveSectors += sectors;
      segments.liveSectors += sectors;
      offset += sectors;
    }
  }

  private async deleteStrays(run: Run, kept: Kept): Promise<void> {
    const { context, before } = this;
    const clean = before.gateway === '' && kept.next === run.first;
    if (clean) return;
    const until = kept.next + strayWindow + headersAtOnce;
    for (const number of sequence(kept.settled, until))
      await context.blobs.delete(segmentBlobId(before.id, number, run.epoch));
    for (let epoch = run.epoch + 1; epoch < this.epoch; epoch++) {
      for (const number of sequence(run.first, until))
        await context.blobs.delete(segmentBlobId(before.id, number, epoch));
    }
    await this.deleteStrayCheckpoint(run.epoch);
  }

  private async deleteDead(): Promise<void> {
    const { context, state } = this;
    for (const segment of this.dead) {
      await context.blobs.delete(segment.blobId);
      state.segments.remove(segment, (cacheId) => context.cache.drop(cacheId));
    }
  }

  /** A checkpoint whose parts were written, but whose name never got into the head row. */
  private async deleteStrayCheckpoint(epoch: number): Promise<void> {
    const { context, before } = this;
    const stray = { epoch, serial: (before.checkpoint?.serial ?? 0) + 1 };
    for (let part = 0; ; part++) {
      const id = checkpointBlobId(before.id, stray, part);
      if ((await context.blobs.stat(id)) === undefined) return;
      await context.blobs.delete(id);
    }
  }
}

function nothingKept(first: number): Kept {
  return { settled: first, next: first, previous: noExtent };
}

function closedRun(last: Run | undefined, settled: number): Run[] {
  if (last === undefined || last.first === settled) return [];
  return [{ epoch: last.epoch, first: last.first, end: settled }];
}

/** The first of a run follows a segment that is known to be whole. */
function follows(claimed: SegmentExtent, seen: SegmentExtent | undefined): boolean {
  if (seen === undefined) return true;
  return claimed.entries === seen.entries && claimed.dataBytes === seen.dataBytes;
}

function extentOf(segment: SegmentHeader | LoggedSegment): SegmentExtent {
  const dataBytes = 'data' in segment ? segment.data.length : segment.dataBytes;
  return { entries: segment.entries.count, dataBytes };
}

function sequence(from: number, until: number): number[] {
  return Array.from({ length: Math.max(0, until - from) }, (_, index) => from + index);
}

export async function readBlob(
  context: EngineContext,
  id: string,
  bytesMax: number,
): Promise<Buffer> {
  const info = await context.blobs.stat(id);
  if (info === undefined) throw corruptFormat('blob-missing', { id });
  if (info.length > bytesMax) throw corruptFormat('blob-too-large', { id, length: info.length });
  const pieces: Buffer[] = [];
  for (let at = 0; at < info.length; at += blobReadMax)
    pieces.push(await context.blobs.read(id, at, Math.min(blobReadMax, info.length - at)));
  return Buffer.concat(pieces);
}
