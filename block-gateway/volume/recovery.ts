/**
 * Opening a volume: from the head row to a map that holds a consistent prefix of the writes, everything flushed included.
 *   1. Raise the epoch in the head row (compare-and-set) and on the storage nodes: whoever wrote before can't any more.
 *   2. Load the checkpoint; apply the segments of the tail's closed runs.
 *   3. Of the open-ended run, look for segment after segment: in the store, or else in this host's write log. A segment counts only when
 *      the one before it is there as long as its own header says, and when those it is bound together with count; the first that doesn't
 *      ends the prefix.
 *   4. Store again, under the new epoch, what came from the log and what may lie on fewer than a majority of nodes (the last
 *      `uploadWindow` of the store); then close the run in the head row and begin a new one. Only now is the old log worth nothing.
 *   5. Delete what the prefix doesn't reach, and what an opening that died in step 4 left behind.
 */
import { checkpointBlobId, segmentBlobId } from './blob-names.ts';
import { Ciphers } from './ciphers.ts';
import { type EngineContext, uploadWindow } from './context.ts';
import type { EntryList } from './entries.ts';
import type { Manifest, Run, VolumeHead } from './head.ts';
import { changeOwnHead, missingVolume, sealedVolume } from './head-row.ts';
import type { LogFile } from './log-files.ts';
import { decodeLog, type LoggedSegment } from './log-format.ts';
import { dropState, ManifestLoader, sequence } from './manifest-loader.ts';
import { listPins } from './pin-rows.ts';
import { headNeeds, PinSet, sameCheckpoint } from './pin-set.ts';
import { raiseEpoch } from './raise-epoch.ts';
import type { VolumeState } from './reader.ts';
import {
  encodeLines,
  encodeSegmentHeader,
  type SegmentExtent,
  type SegmentHeader,
} from './segment-format.ts';
import { findSegmentHeader, readSegmentData } from './segment-source.ts';
import type { Segment } from './segments.ts';
import { deleteTail, readTail } from './tail-blobs.ts';
import { corruptFormat, volumeIdBytes } from './words.ts';

export interface Opened {
  readonly head: VolumeHead;
  readonly epoch: number;
  readonly state: VolumeState;
  readonly pins: PinSet;
  readonly ciphers: Ciphers;
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
  /** The last segment that the store had, whether it counts or not. */
  readonly lastStored: number;
}

const noExtent: SegmentExtent = { entries: 0, dataBytes: 0 };

/** Beyond the first segment that is missing, at most so many more may have been under way. */
export const strayWindow = uploadWindow * 2;
const headersAtOnce = 8;

export async function openVolume(context: EngineContext, volumeId: string): Promise<Opened> {
  let before: VolumeHead | undefined;
  const { epoch } = await raiseEpoch(context, volumeId, (head) => {
    if (head.state === 'deleting' || head.state === 'gone') throw missingVolume(volumeId);
    if (head.sealed === true && head.state !== 'creating') throw sealedVolume(volumeId);
    before = head;
    return { ...head, gateway: context.gateway };
  });
  if (before === undefined) throw corruptFormat('head-unread');
  const ciphers = await Ciphers.open(context.keys, before.encryption);
  const pins = new PinSet(await listPins(context.tables, volumeId));
  return new Recovery({ context, before, epoch, ciphers, pins }).run();
}

interface RecoveryOptions {
  readonly context: EngineContext;
  readonly before: VolumeHead;
  readonly epoch: number;
  readonly ciphers: Ciphers;
  readonly pins: PinSet;
}

class Recovery {
  private readonly options: RecoveryOptions;
  private readonly loader: ManifestLoader;
  private readonly state: VolumeState;
  /** Segments that were dead in the checkpoint: its writer may not have come to deleting them. */
  private dead: Segment[] = [];

  constructor(options: RecoveryOptions) {
    this.options = options;
    const { context, before, ciphers } = options;
    const { id: volumeId, sizeBytes } = before;
    this.loader = new ManifestLoader({ context, volumeId, sizeBytes, ciphers });
    this.state = this.loader.state;
  }

  async run(): Promise<Opened> {
    const { before, context, epoch, pins, ciphers } = this.options;
    const logs = context.logFiles.claimsOf(volumeIdBytes(before.id).toString('hex'));
    pins.notePast(before);
    try {
      if (before.checkpoint !== undefined) await this.loader.loadCheckpoint(before.checkpoint);
      this.noteDead(before.checkpoint?.next ?? 0);
      const closed = before.tail.filter((run) => run.end !== undefined);
      for (const run of closed) await this.loader.replay(run);
      const last = before.tail.find((run) => run.end === undefined);
      const first = last?.first ?? closed.at(-1)?.end ?? before.checkpoint?.next ?? 1;
      // At the border of the revert they still lived.
      await this.takeOver(before.abandoned ?? [], first + 1);
      const kept = last === undefined ? nothingKept(first) : await this.tail(last, logs);
      const tail = [...closed, ...closedRun(last, kept.settled), { epoch, first: kept.settled }];
      const head = await changeOwnHead(context.tables, before.id, epoch, (present) => ({
        ...present,
        tail,
      }));
      for (const log of logs) context.logFiles.release(log);
      if (last !== undefined) await this.deleteStrays(last, kept);
      await this.deleteDead();
      const { next, previous } = kept;
      return { head, epoch, state: this.state, pins, ciphers, next, previous };
    } catch (error) {
      dropState(context, this.state);
      throw error;
    }
  }

  private noteDead(border: number): void {
    for (const segment of this.state.segments.all()) {
      if (segment.liveSectors > 0) continue;
      if (segment.death === 0) segment.death = border;
      this.dead.push(segment);
    }
  }

  /** Before a revert the volume was made of other segments; those that pins or the past need stay known, dead since then. */
  private async takeOver(abandoned: readonly Manifest[], border: number): Promise<void> {
    const { context, before, ciphers } = this.options;
    const { id: volumeId, sizeBytes } = before;
    const known = new Map<string, Segment>();
    for (const segment of this.state.segments.all()) known.set(segment.blobId, segment);
    for (const manifest of abandoned) {
      const loader = new ManifestLoader({ context, volumeId, sizeBytes, ciphers });
      try {
        await loader.load(manifest);
        for (const segment of loader.state.segments.all()) {
          if (segment.owner !== undefined) continue;
          const mine = known.get(segment.blobId);
          // Dead for what it is now, but until the revert it was part of what it was then.
          if (mine?.liveSectors === 0) mine.death = border;
          if (mine !== undefined) continue;
          const adopted = this.state.segments.adopt(segment, border);
          known.set(segment.blobId, adopted);
          this.dead.push(adopted);
        }
      } finally {
        loader.drop();
      }
    }
  }

  /** Takes what follows of the open-ended run; returns where the new run begins, and the next number. */
  private async tail(run: Run, logs: readonly LogFile[]): Promise<Kept> {
    const { found, lastStored } = await this.stored(run);
    const end = await this.prefixEnd(run, found, logs);
    let settled = run.first;
    let next = run.first;
    let previous: SegmentExtent | undefined;
    for (; next < end; next++) {
      const header = found.get(next);
      const segment = header ?? (await this.logged(run, next, logs));
      if (segment === undefined) throw corruptFormat('log-changed', { number: next });
      const settles = header !== undefined && next === settled && next <= lastStored - uploadWindow;
      if (header !== undefined && settles) {
        this.loader.apply(header);
        settled++;
      } else {
        const data = 'data' in segment ? segment.data : await this.dataOf(segment);
        await this.adopt(next, segment.previous, segment.entries, data);
      }
      previous = extentOf(segment);
    }
    return { settled, next, previous: previous ?? noExtent, lastStored };
  }

  /** The number after the last segment that counts. */
  private async prefixEnd(
    run: Run,
    found: ReadonlyMap<number, SegmentHeader>,
    logs: readonly LogFile[],
  ): Promise<number> {
    let previous: SegmentExtent | undefined;
    let end = run.first;
    let needed = run.first;
    for (let at = run.first; ; at++) {
      const segment = found.get(at) ?? (await this.logged(run, at, logs));
      if (segment === undefined || !follows(segment.previous, previous)) return end;
      previous = extentOf(segment);
      needed = Math.max(needed, at + segment.together);
      if (at >= needed) end = at + 1;
    }
  }

  /** The headers of the open-ended run's segments that are in the store; holes are possible near the end. */
  private async stored(
    run: Run,
  ): Promise<{ readonly found: ReadonlyMap<number, SegmentHeader>; readonly lastStored: number }> {
    const { blobs } = this.options.context;
    const found = new Map<number, SegmentHeader>();
    const volume = this.options.before.id;
    let lastStored = run.first - 1;
    for (let at = run.first; at <= lastStored + strayWindow; at += headersAtOnce) {
      const numbers = sequence(at, at + headersAtOnce);
      const headers = await Promise.all(
        numbers.map((number) => findSegmentHeader(blobs, { volume, number, epoch: run.epoch })),
      );
      for (const header of headers) {
        if (header === undefined) continue;
        found.set(header.number, header);
        lastStored = header.number;
      }
    }
    return { found, lastStored };
  }

  /** What a log has of a segment: this host's, or the storage nodes' when the volume's FLUSHes went there. The longer one. */
  private async logged(
    run: Run,
    number: number,
    logs: readonly LogFile[],
  ): Promise<LoggedSegment | undefined> {
    const { context, before, ciphers } = this.options;
    const file = logs.find(({ label }) => label?.number === number && label.epoch === run.epoch);
    const cipher = ciphers.of(before.id);
    const local =
      file === undefined ? undefined : decodeLog(await context.logFiles.read(file), cipher);
    const tail = { volume: before.id, number, epoch: run.epoch };
    const remote = decodeLog(await readTail(context.blobs, tail), cipher);
    const longer = (remote?.entries.count ?? 0) > (local?.entries.count ?? 0);
    return longer ? remote : local;
  }

  private dataOf(header: SegmentHeader): Promise<Buffer> {
    const { context, ciphers } = this.options;
    return readSegmentData(context.blobs, header, ciphers.of(header.volumeId));
  }

  /** Stores a recovered segment under our epoch. */
  private async adopt(
    number: number,
    previous: SegmentExtent,
    entries: EntryList,
    data: Buffer,
  ): Promise<void> {
    const { context, before, epoch, ciphers } = this.options;
    const volumeId = before.id;
    // All of a group is stored before the head row says so.
    const header = {
      volumeId,
      number,
      epoch,
      dataBytes: data.length,
      previous,
      together: 0,
      entries,
    };
    const bytes = encodeSegmentHeader(header);
    const lines = encodeLines(data, { number, epoch }, ciphers.of(volumeId));
    await context.blobs.put([bytes, ...lines], {
      id: segmentBlobId(volumeId, number, epoch),
      fence: { scope: volumeId, epoch },
    });
    this.loader.apply({ ...header, headerBytes: bytes.length });
  }

  private async deleteStrays(run: Run, kept: Kept): Promise<void> {
    const { context, before, epoch: own } = this.options;
    const clean = before.gateway === '' && kept.next === run.first;
    if (clean) return;
    const until = Math.max(kept.next, kept.lastStored + 1) + strayWindow + headersAtOnce;
    for (const number of sequence(kept.settled, until)) {
      await context.blobs.delete(segmentBlobId(before.id, number, run.epoch));
      if (before.durability === 'replicated')
        await deleteTail(context.blobs, { volume: before.id, number, epoch: run.epoch });
    }
    for (let epoch = run.epoch + 1; epoch < own; epoch++) {
      for (const number of sequence(run.first, until))
        await context.blobs.delete(segmentBlobId(before.id, number, epoch));
    }
    await this.deleteStrayCheckpoint(run.epoch);
  }

  private async deleteDead(): Promise<void> {
    const { state, options } = this;
    const { context, pins } = options;
    for (const segment of this.dead) {
      if (segment.owner === undefined) {
        if (pins.needsSegment(segment.number, segment.death)) continue;
        await context.blobs.delete(segment.blobId);
      }
      state.segments.remove(segment, (cacheId) => context.cache.drop(cacheId));
    }
  }

  /** A checkpoint whose parts were written, but whose name never got into the head row. */
  private async deleteStrayCheckpoint(epoch: number): Promise<void> {
    const { context, before, pins } = this.options;
    const stray = { epoch, serial: (before.checkpoint?.serial ?? 0) + 1 };
    // After a revert that may be the name of a checkpoint that others need.
    const named = { ...stray, parts: 0, bytes: 0, next: 0 };
    const isRetired = before.retired?.some((one) => sameCheckpoint(one, named)) === true;
    if (isRetired || headNeeds(before, named) || pins.needsCheckpoint(named)) return;
    for (let part = 0; ; part++) {
      const id = checkpointBlobId(before.id, stray, part);
      if ((await context.blobs.stat(id)) === undefined) return;
      await context.blobs.delete(id);
    }
  }
}

function nothingKept(first: number): Kept {
  return { settled: first, next: first, previous: noExtent, lastStored: first - 1 };
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
