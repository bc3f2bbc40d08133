/**
 * Checkpoints: the segment table and the map as they are at the border between two segments.
 *   1. At the border, at once: take a snapshot (leaves are copied on write from then on); segments without live data died here.
 *   2. Wait until every segment that the snapshot points to is durable.
 *   3. Write the parts; point the head row to them, with what comes after as its tail. What it was before becomes the past, or is retired.
 *   4. Delete the retired checkpoints and the dead segments that no pin and no instant of the retained past refers to.
 * A crash between two steps leaves blobs that the next opening finds by their derived ids, or by the head's `retired`.
 */
import { isFailure } from '#common';
import { checkpointBlobId } from './blob-names.ts';
import { type CheckpointContent, encodeCheckpoint, type SegmentRow } from './checkpoint-format.ts';
import { type EngineContext, uploadWindow } from './context.ts';
import type { CheckpointRef } from './head.ts';
import type { HeadKeeper } from './head-keeper.ts';
import { rebase, runsFrom } from './past.ts';
import { type PinSet, sameCheckpoint } from './pin-set.ts';
import type { VolumeState } from './reader.ts';

export interface CheckpointerOptions {
  readonly context: EngineContext;
  readonly state: VolumeState;
  readonly volumeId: string;
  readonly epoch: number;
  readonly keeper: HeadKeeper;
  readonly pins: PinSet;
  readonly durable: (number: number) => Promise<void>;
  /** How many sealed segments are not durable. */
  readonly behind: () => number;
  /** From now on nothing that was written is changed in its place. */
  readonly freeze: () => void;
}

interface Snapshot extends CheckpointContent {
  readonly next: number;
  readonly takenUs: number;
}

/** A head with more runs than this is checkpointed at the next border, however little was written. */
const runsBeforeCheckpoint = 64;

export class Checkpointer {
  private readonly options: CheckpointerOptions;
  private serial: number;
  private running: Promise<void> | undefined;
  /** The first segment that is not in the last checkpoint. */
  next: number;
  private bytes: number;
  count = 0;

  constructor(options: CheckpointerOptions) {
    this.options = options;
    const { checkpoint } = options.keeper.now;
    this.serial = checkpoint?.serial ?? 0;
    this.next = checkpoint?.next ?? 1;
    this.bytes = checkpoint?.bytes ?? 0;
  }

  /** Called at the border after segment `number`; begins a checkpoint when enough was written since the last. */
  noteBorder(number: number): void {
    if (this.running !== undefined) return;
    const { context, keeper } = this.options;
    const { settings } = context;
    // Writing the map again costs at most an eighth of what was written meanwhile.
    const due = Math.max(
      settings.checkpointSegments,
      Math.ceil((8 * this.bytes) / settings.segmentBytes),
    );
    const crowded = keeper.now.tail.length > runsBeforeCheckpoint;
    const fresh = number + 1 - this.next;
    if (!crowded && fresh < due) return;
    // What lies in memory for a while may be overwritten there, and could not be once it is part of a checkpoint.
    if (this.options.behind() > 2 * uploadWindow && fresh < 4 * due) return;
    this.run(number).catch((error: unknown) => this.noteFailure(error));
  }

  /** A checkpoint at the border after segment `number`, now. */
  async finish(number: number): Promise<void> {
    await this.idle();
    if (number + 1 > this.next) await this.run(number);
  }

  async idle(): Promise<void> {
    await this.running?.catch(() => undefined);
  }

  private noteFailure(error: unknown): void {
    if (!isFailure(error) || error.kind === 'bug') throw error;
    const { context, volumeId } = this.options;
    // The next border tries again; until then recovery has more segments to look at, and nothing is lost.
    context.log.warn({ err: error, volumeId }, 'a checkpoint failed');
  }

  private run(number: number): Promise<void> {
    this.options.freeze();
    const snapshot = this.take(number + 1);
    const run = this.write(snapshot).finally(() => {
      this.running = undefined;
    });
    this.running = run;
    return run;
  }

  private take(next: number): Snapshot {
    const { state, context } = this.options;
    const { map, segments } = state;
    const rows: SegmentRow[] = [];
    for (const segment of segments.all()) {
      if (segment.liveSectors === 0 && segment.death === 0) segment.death = next;
      const { slot, number, epoch, blobId, headerBytes, dataBytes, death, owner, raw } = segment;
      const kind = raw === true ? { raw } : { owner };
      rows.push({ slot, number, epoch, blobId, headerBytes, dataBytes, death, ...kind });
    }
    return { segments: rows, map: map.snapshot(), next, takenUs: context.clock.nowUs() };
  }

  private async write(snapshot: Snapshot): Promise<void> {
    const { pins, durable } = this.options;
    await durable(snapshot.next - 1);
    const checkpoint = await this.store(snapshot);
    await pins.exclusive(async () => {
      await this.point(checkpoint, snapshot.takenUs);
      this.next = checkpoint.next;
      this.bytes = checkpoint.bytes;
      this.count++;
      await this.sweep();
    });
  }

  private async store(snapshot: Snapshot): Promise<CheckpointRef> {
    const { context, volumeId, epoch } = this.options;
    const serial = ++this.serial;
    let parts = 0;
    let bytes = 0;
    for (const chunks of encodeCheckpoint({ volumeId, epoch, serial }, snapshot)) {
      const id = checkpointBlobId(volumeId, { epoch, serial }, parts++);
      await context.blobs.put(chunks, { id, fence: { scope: volumeId, epoch } });
      bytes += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    }
    return { epoch, serial, parts, bytes, next: snapshot.next };
  }

  private async point(checkpoint: CheckpointRef, nowUs: number): Promise<void> {
    const { next } = checkpoint;
    await this.options.keeper.change((present) => {
      const { checkpoint: now } = present;
      // Asked again after an answer was lost, the head may hold this checkpoint already.
      if (now !== undefined && sameCheckpoint(now, checkpoint)) return present;
      const manifest = { checkpoint, tail: runsFrom(present.tail, next) };
      return rebase(present, { manifest, next, nowUs, settled: true });
    });
  }

  /** Deletes what nothing needs. Called where pins don't change meanwhile. */
  async sweep(): Promise<void> {
    await this.deleteRetired();
    const { context, state, pins } = this.options;
    for (const segment of state.segments.all()) {
      const { death, number, readers, durable, liveSectors } = segment;
      // What died after the stored checkpoint still lives there.
      if (death === 0 || death > this.next || liveSectors > 0) continue;
      // One that is being read stays for the next time.
      if (readers > 0 || !durable) continue;
      if (segment.owner === undefined) {
        if (pins.needsSegment(number, death)) continue;
        await context.blobs.delete(segment.blobId);
      }
      context.buffers.forget(segment);
      state.segments.remove(segment, (cacheId) => context.cache.drop(cacheId));
    }
  }

  private async deleteRetired(): Promise<void> {
    const { context, volumeId, keeper, pins } = this.options;
    const { retired = [] } = keeper.now;
    if (retired.length === 0) return;
    for (const checkpoint of retired) {
      // The last pin that needs it deletes it.
      if (!pins.needsCheckpoint(checkpoint)) await deleteCheckpoint(context, volumeId, checkpoint);
    }
    await keeper.change(({ retired: _deleted, ...rest }) => rest);
  }
}

export async function deleteCheckpoint(
  context: EngineContext,
  volumeId: string,
  checkpoint: CheckpointRef,
): Promise<void> {
  for (let part = checkpoint.parts - 1; part >= 0; part--)
    await context.blobs.delete(checkpointBlobId(volumeId, checkpoint, part));
}
