/**
 * Checkpoints: the segment table and the map as they are at the border between two segments.
 *   1. At the border, at once: take a snapshot (leaves are copied on write from then on).
 *   2. Wait until every segment that the snapshot points to is durable.
 *   3. Write the parts; point the head row to them, with what comes after as its tail.
 *   4. Delete the checkpoint before, and the segments that have no live data in the snapshot: nothing will need them again.
 * A crash between two steps leaves blobs that the next opening finds by their derived ids, or by the head's `retired`.
 */
import { isFailure } from '#common';
import { checkpointBlobId } from './blob-names.ts';
import { type CheckpointContent, encodeCheckpoint, type SegmentRow } from './checkpoint-format.ts';
import type { EngineContext } from './context.ts';
import type { CheckpointRef } from './head.ts';
import { changeOwnHead } from './head-row.ts';
import type { VolumeState } from './reader.ts';
import type { Segment } from './segments.ts';

export interface CheckpointerOptions {
  readonly context: EngineContext;
  readonly state: VolumeState;
  readonly volumeId: string;
  readonly epoch: number;
  readonly checkpoint: CheckpointRef | undefined;
  readonly retired: CheckpointRef | undefined;
  readonly durable: (number: number) => Promise<void>;
}

interface Snapshot extends CheckpointContent {
  readonly next: number;
  readonly dead: readonly Segment[];
}

export class Checkpointer {
  private readonly options: CheckpointerOptions;
  private serial: number;
  private retired: CheckpointRef | undefined;
  private running: Promise<void> | undefined;
  /** The first segment that is not in the last checkpoint. */
  next: number;
  private bytes: number;
  count = 0;

  constructor(options: CheckpointerOptions) {
    this.options = options;
    this.serial = options.checkpoint?.serial ?? 0;
    this.retired = options.retired;
    this.next = options.checkpoint?.next ?? 1;
    this.bytes = options.checkpoint?.bytes ?? 0;
  }

  /** Called at the border after segment `number`; begins a checkpoint when enough was written since the last. */
  noteBorder(number: number): void {
    if (this.running !== undefined) return;
    const { settings } = this.options.context;
    // Writing the map again costs at most an eighth of what was written meanwhile.
    const due = Math.max(
      settings.checkpointSegments,
      Math.ceil((8 * this.bytes) / settings.segmentBytes),
    );
    if (number + 1 - this.next < due) return;
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
    const snapshot = this.take(number + 1);
    const run = this.write(snapshot).finally(() => {
      this.running = undefined;
    });
    this.running = run;
    return run;
  }

  private take(next: number): Snapshot {
    const { map, segments } = this.options.state;
    const rows: SegmentRow[] = [];
    const dead: Segment[] = [];
    for (const segment of segments.all()) {
      const { slot, number, epoch, blobId, headerBytes, dataBytes } = segment;
      rows.push({ slot, number, epoch, blobId, headerBytes, dataBytes });
      if (segment.liveSectors === 0) dead.push(segment);
    }
    return { segments: rows, map: map.snapshot(), next, dead };
  }

  private async write(snapshot: Snapshot): Promise<void> {
    const { context, volumeId, epoch, durable } = this.options;
    await durable(snapshot.next - 1);
    await this.deleteRetired();
    const serial = ++this.serial;
    let parts = 0;
    let bytes = 0;
    for (const chunks of encodeCheckpoint({ volumeId, epoch, serial }, snapshot)) {
      const id = checkpointBlobId(volumeId, { epoch, serial }, parts++);
      await context.blobs.put(chunks, { id, fence: { scope: volumeId, epoch } });
      bytes += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    }
    const checkpoint: CheckpointRef = { epoch, serial, parts, bytes, next: snapshot.next };
    const head = await changeOwnHead(context.tables, volumeId, epoch, (present) => {
      // Asked again after an answer was lost, the head may hold this checkpoint already.
      if (present.checkpoint?.serial === serial) return present;
      const { checkpoint: retired, ...rest } = present;
      const tail = [{ epoch, first: snapshot.next }];
      return { ...rest, checkpoint, ...(retired === undefined ? {} : { retired }), tail };
    });
    this.next = snapshot.next;
    this.bytes = bytes;
    this.count++;
    this.retired = head.retired;
    await this.deleteRetired();
    await this.deleteDead(snapshot.dead);
  }

  private async deleteRetired(): Promise<void> {
    const { context, volumeId, epoch } = this.options;
    const retired = this.retired;
    if (retired === undefined) return;
    await deleteCheckpoint(context, volumeId, retired);
    await changeOwnHead(context.tables, volumeId, epoch, (present) => {
      if (present.retired?.serial !== retired.serial) return present;
      const { retired: _deleted, ...rest } = present;
      return rest;
    });
    this.retired = undefined;
  }

  private async deleteDead(dead: readonly Segment[]): Promise<void> {
    const { context, state } = this.options;
    for (const segment of dead) {
      // One that is being read stays for the next checkpoint, which will find it dead again.
      if (segment.readers > 0 || !segment.durable) continue;
      await context.blobs.delete(segment.blobId);
      context.buffers.forget(segment);
      state.segments.remove(segment, (cacheId) => context.cache.drop(cacheId));
    }
  }
}

export async function deleteCheckpoint(
  context: EngineContext,
  volumeId: string,
  checkpoint: CheckpointRef,
): Promise<void> {
  for (let part = 0; part < checkpoint.parts; part++)
    await context.blobs.delete(checkpointBlobId(volumeId, checkpoint, part));
}
