/**
 * An open volume: a disk of sectors with the promises of NBD. A write is acknowledged when it is in memory; what a FLUSH (or FUA) answered
 * survives the loss of this process and of the machine's power; after a crash the content is that of a prefix of the writes.
 */
import { Failure, isFailure, type RunningWorker, startWorker } from '#common';
import { type AllocationRun, allocationOf } from './allocation.ts';
import { BootSet } from './boot-set.ts';
import { Checkpointer } from './checkpointer.ts';
import type { EngineContext } from './context.ts';
import { type DifferenceRange, type DifferenceRun, differenceOf } from './difference.ts';
import { Flusher } from './flusher.ts';
import type { VolumeHead } from './head.ts';
import { HeadKeeper } from './head-keeper.ts';
import { Lease } from './lease.ts';
import type { Pending } from './pending.ts';
import type { Pin } from './pin-rows.ts';
import { Pinning, type PinRequest } from './pinning.ts';
import { QosLimits } from './qos.ts';
import { ReadAhead } from './read-ahead.ts';
import type { ReadOnlyVolume } from './read-only-volume.ts';
import { Reader, type VolumeState } from './reader.ts';
import { Reclaimer } from './reclaimer.ts';
import { type Opened, openVolume } from './recovery.ts';
import { checkRange, sectorBytes } from './units.ts';
import { Uploader } from './uploader.ts';
import { volumeIdBytes } from './words.ts';
import { Writer } from './writer.ts';

export interface VolumeStats {
  readonly extents: number;
  readonly segments: number;
  readonly liveBytes: number;
  readonly storedBytes: number;
  readonly writtenBytes: number;
  readonly uploadedBytes: number;
  readonly rewrittenBytes: number;
  readonly flushRounds: number;
  readonly checkpoints: number;
}

/** A write is appended in pieces of at most this size, each of them whole or not at all after a crash. */
const pieceBytesMax = 1024 * 1024;

export class Volume {
  readonly id: string;
  readonly epoch: number;
  private readonly keeper: HeadKeeper;
  private readonly pinning: Pinning;
  private readonly resized = new Set<() => void>();
  /** What its clients may ask of it. */
  limits: QosLimits;
  private readonly context: EngineContext;
  private readonly state: VolumeState;
  private readonly lease: Lease;
  private readonly reader: Reader;
  private readonly readAhead: ReadAhead;
  private readonly bootSet: BootSet;
  private readonly writer: Writer;
  private readonly uploader: Uploader;
  private readonly flusher: Flusher;
  private readonly checkpointer: Checkpointer;
  private readonly reclaimer: Reclaimer;
  private readonly worker: RunningWorker;
  private readonly pieceBytes: number;
  private failure: Failure | undefined;
  private closing: Promise<void> | undefined;

  static async open(context: EngineContext, volumeId: string): Promise<Volume> {
    const volume = new Volume(context, await openVolume(context, volumeId));
    volume.bootSet.start();
    return volume;
  }

  private constructor(context: EngineContext, opened: Opened) {
    const { head, epoch, state, next, pins, ciphers } = opened;
    this.id = head.id;
    this.keeper = new HeadKeeper(context.tables, pins, head);
    this.limits = this.limitsNow(context);
    this.epoch = epoch;
    this.context = context;
    this.state = state;
    this.pieceBytes = Math.min(pieceBytesMax, context.settings.segmentBytes);
    this.reader = new Reader(context, state);
    this.readAhead = new ReadAhead(
      { bytesMax: context.settings.readAheadBytes, sizeBytes: () => this.sizeBytes },
      (offset, length) => this.reader.ahead(offset, length),
    );
    this.bootSet = new BootSet({
      tables: context.tables,
      clock: context.clock,
      log: context.log,
      owner: head.parent?.volume ?? head.id,
      sizeBytes: head.sizeBytes,
      bytesMax: context.settings.bootSetBytes,
      learnMs: context.settings.bootLearnMs,
      turn: (work) => context.boots.within(work),
      read: (offset, length, target) => this.reader.read(offset, length, target, 0),
    });
    const shared = { context, state, volumeId: this.id, epoch };
    this.lease = new Lease({
      tables: context.tables,
      clock: context.clock,
      volumeId: this.id,
      epoch,
      leaseMs: context.settings.leaseMs,
      retryMs: context.settings.retryMsMax,
      lost: (failure) => this.fail(failure),
    });
    this.uploader = new Uploader({
      ...shared,
      first: next,
      lost: (failure) => this.fail(failure),
      arrived: (pending) => this.arrived(pending),
      ready: (pending) => this.writer.ready(pending),
      pressure: () => context.buffers.pressure,
      released: (pending) => this.released(pending),
    });
    const cipher = ciphers.of(this.id);
    this.writer = new Writer({
      ...shared,
      cipher,
      replicated: head.durability === 'replicated',
      timed: (head.retentionS ?? 0) > 0,
      first: next,
      previous: opened.previous,
      noteAppend: () => this.flusher.noteAppend(),
      sealed: (pending) => this.sealed(pending),
      frozen: () => this.uploader.pump(),
    });
    this.flusher = new Flusher({
      ...shared,
      cipher,
      lost: (failure) => this.fail(failure),
      pending: () => this.writer.pending,
      freeze: () => this.writer.freeze(),
      drain: () => this.drain(),
    });
    this.checkpointer = new Checkpointer({
      ...shared,
      keeper: this.keeper,
      pins,
      durable: (number) => this.uploader.durable(number),
      behind: () => this.uploader.behind,
      freeze: () => this.writer.freeze(),
    });
    this.pinning = new Pinning({
      context,
      keeper: this.keeper,
      pins,
      ciphers,
      checkpointer: this.checkpointer,
      seal: () => {
        this.writer.seal();
        return this.writer.lastSealed + 1;
      },
      durable: (number) => this.uploader.durable(number),
    });
    this.reclaimer = new Reclaimer({
      ...shared,
      pins,
      reader: this.reader,
      checkpointNext: () => this.checkpointer.next,
      write: ({ offset, data, from, length, kind }) => {
        this.check(offset, length);
        return this.writer.writeNow(offset, data, from, length, kind);
      },
      room: () => this.room(),
    });
    this.worker = startWorker(this.reclaimer, {
      clock: context.clock,
      log: context.log,
      restRatio: context.settings.reclaimRestRatio,
      idleMs: context.settings.idleSealMs,
    });
  }

  get sizeBytes(): number {
    return this.keeper.now.sizeBytes;
  }

  /** The head row as this gateway last wrote it. */
  get head(): VolumeHead {
    return this.keeper.now;
  }

  /** Fills the target if that needs no waiting; false when it does, and then the target holds anything. */
  readNow(offset: number, length: number, target: Buffer, at: number): boolean {
    this.check(offset, length);
    this.readAhead.noteRead(offset, length);
    this.bootSet.noteRead(offset, length);
    return this.reader.readNow(offset, length, target, at);
  }

  async read(offset: number, length: number, target: Buffer, at: number): Promise<void> {
    this.check(offset, length);
    await this.reader.read(offset, length, target, at);
  }

  /** Takes the data if that needs no waiting and it is not too long for one step; false when not, and nothing is taken. */
  writeNow(offset: number, source: Buffer, from: number, length: number): boolean {
    this.check(offset, length);
    if (length > this.pieceBytes || !this.lease.holds()) return false;
    return this.writer.writeNow(offset, source, from, length);
  }

  /** The source may not be changed until this has resolved. */
  async write(offset: number, source: Buffer, from: number, length: number): Promise<void> {
    this.check(offset, length);
    await this.confirm();
    for (let done = 0; done < length; ) {
      const piece = Math.min(this.pieceBytes, length - done);
      if (this.writer.writeNow(offset + done, source, from + done, piece)) done += piece;
      else await this.room();
    }
  }

  /** Makes the range read as zeros and gives its space back. */
  zeroNow(offset: number, length: number): boolean {
    this.check(offset, length);
    if (length === 0) return true;
    return this.lease.holds() && this.writer.zeroNow(offset, length);
  }

  async zero(offset: number, length: number): Promise<void> {
    this.check(offset, length);
    await this.confirm();
    while (length > 0 && !this.writer.zeroNow(offset, length)) await this.room();
  }

  /** Resolves when everything that was acknowledged before is on stable storage. */
  async flush(): Promise<void> {
    this.check(0, 0);
    await this.confirm();
    await this.flusher.flush();
    // Writing the log may have taken as long as anything.
    await this.confirm();
  }

  /** Waits until the volume is known to be ours. */
  private async confirm(): Promise<void> {
    if (this.lease.holds()) return;
    await this.lease.confirm();
    this.check(0, 0);
  }

  /** Begins to bring the range into the cache. */
  prefetch(offset: number, length: number): void {
    this.check(offset, length);
    this.reader.ahead(offset, length);
  }

  /** True when nothing is stored for the range: it reads as zeros. */
  isHole(offset: number, length: number): boolean {
    this.check(offset, length);
    return this.state.map.isHole(offset / sectorBytes, length / sectorBytes);
  }

  /** What the range is made of, in order, at most `runsMax` runs. */
  allocation(offset: number, length: number, runsMax: number): AllocationRun[] {
    this.check(offset, length);
    return allocationOf(this.state.map, { offset, length, runsMax });
  }

  /** Pins what is there now, or was at an instant of the retained past. */
  pin(request: PinRequest): Promise<Pin> {
    this.check(0, 0);
    return this.pinning.pin(request);
  }

  releasePin(id: string): Promise<void> {
    this.check(0, 0);
    return this.pinning.release(id);
  }

  /** Changes what the head says of the volume; a larger size, another durability and a retained past are in force at once. */
  async change(change: (head: VolumeHead) => VolumeHead): Promise<VolumeHead> {
    this.check(0, 0);
    const before = this.keeper.now;
    const head = await this.keeper.change(change);
    if (head.durability !== before.durability) {
      // A segment's log lies in one place as a whole.
      this.writer.replicated = head.durability === 'replicated';
      await this.drain();
    }
    this.writer.timed = (head.retentionS ?? 0) > 0;
    const limited = ({ qos, sizeBytes }: VolumeHead) => JSON.stringify([qos, sizeBytes]);
    if (limited(head) !== limited(before)) this.limits = this.limitsNow(this.context);
    if (head.sizeBytes !== before.sizeBytes) for (const tell of this.resized) tell();
    return head;
  }

  /** Calls when the size has changed; returns how to end that. */
  onResize(tell: () => void): () => void {
    this.resized.add(tell);
    return () => this.resized.delete(tell);
  }

  private limitsNow(context: EngineContext): QosLimits {
    const { qos = {}, sizeBytes } = this.keeper.now;
    return new QosLimits(context.clock, qos, sizeBytes);
  }

  /** Where the range may differ from what it was at a point. */
  changedSince(point: ReadOnlyVolume, range: DifferenceRange): DifferenceRun[] {
    this.check(range.offset, range.length);
    return differenceOf(this.state, point.state, range);
  }

  stats(): VolumeStats {
    return {
      extents: this.state.map.extents,
      segments: this.state.segments.count,
      liveBytes: this.state.segments.liveSectors * sectorBytes,
      storedBytes: this.state.segments.dataSectors * sectorBytes,
      writtenBytes: this.writer.writtenBytes,
      uploadedBytes: this.uploader.uploadedBytes,
      rewrittenBytes: this.reclaimer.rewrittenBytes,
      flushRounds: this.flusher.rounds,
      checkpoints: this.checkpointer.count,
    };
  }

  /** Why nothing works any more, if so. */
  get failed(): Failure | undefined {
    return this.failure;
  }

  /** Everything goes to the store, the map is checkpointed, the head row says that nobody has the volume open. */
  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    await this.worker.stop();
    // A pin that is being written is waited for: whoever closes may want to delete.
    await this.pinning.idle();
    const closed = new Failure('closed', 'volume-closed', 'The volume is closed');
    try {
      if (this.failure === undefined)
        await this.withinDeadline(async () => {
          await this.bootSet.close();
          await this.finish();
        });
    } catch (error) {
      if (!isFailure(error)) throw error;
      // What is not in the store is in the log; the next opening on this host finds it.
      const facts = { err: error, volumeId: this.id };
      this.context.log.warn(facts, 'a volume is closed before the store has all of it');
      if (this.failure === undefined) await this.withinDeadline(() => this.flusher.flush());
    }
    this.failure ??= closed;
    this.writer.stop();
    this.context.buffers.wake();
    await this.uploader.stop(closed);
    await this.flusher.idle();
    await this.checkpointer.idle();
    this.letGo();
  }

  /** Everything that was acknowledged is on a majority of storage nodes. */
  async settle(): Promise<void> {
    this.check(0, 0);
    await this.drain();
  }

  private async finish(): Promise<void> {
    await this.drain();
    await this.checkpointer.finish(this.writer.lastSealed);
    await this.keeper.change((head) => ({ ...head, gateway: '' }));
  }

  private async withinDeadline(work: () => Promise<void>): Promise<void> {
    const { clock, settings } = this.context;
    const late = new Failure('unreachable', 'close-timeout', 'The store took too long');
    await new Promise<void>((resolve, reject) => {
      const timer = clock.after(settings.closeTimeoutMs, () => reject(late));
      work()
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  /** Gives back what is shared with other volumes. */
  private letGo(): void {
    const { buffers, cache, logFiles } = this.context;
    for (const pending of this.writer.pending) {
      pending.segment.buffer = undefined;
      if (pending.uploads > 0) pending.abandoned = true;
      else if (pending.mayBeRead) buffers.forgo();
      else buffers.giveBack(pending.buffer);
      if (pending.logFile === undefined) continue;
      const { number } = pending.segment;
      const volume = volumeIdBytes(this.id).toString('hex');
      logFiles.claim(pending.logFile, { volume, number, epoch: this.epoch });
    }
    for (const segment of this.state.segments.all()) buffers.forget(segment);
    this.state.segments.clear((cacheId) => cache.drop(cacheId));
  }

  private sealed(pending: Pending): void {
    const { number } = pending.segment;
    this.uploader.add(pending);
    if (this.failure === undefined) this.checkpointer.noteBorder(number);
  }

  private arrived(pending: Pending): void {
    pending.segment.durable = true;
    this.writer.noteStored(pending);
    this.flusher.releaseLog(pending);
    if (pending.uploads === 0) this.keepBuffer(pending);
  }

  /**
   * Invariant: a segment's buffer is filled anew only after this. A majority is enough to acknowledge, but a replica
   * that is late still reads it, and would store the next segment's bytes under this one's name.
   */
  private released(pending: Pending): void {
    const { buffers } = this.context;
    if (!pending.abandoned) {
      if (pending.segment.durable) this.keepBuffer(pending);
    } else if (pending.mayBeRead) buffers.forgo();
    else buffers.giveBack(pending.buffer);
  }

  private keepBuffer({ segment, mayBeRead }: Pending): void {
    const { buffers } = this.context;
    if (!mayBeRead) {
      buffers.keep(segment);
      return;
    }
    // Reads go to the store from now on; the pool makes another buffer in its place.
    segment.buffer = undefined;
    buffers.forgo();
  }

  private async drain(): Promise<void> {
    this.writer.seal();
    await this.uploader.durable(this.writer.lastSealed);
  }

  private async room(): Promise<void> {
    await this.context.buffers.available();
    this.check(0, 0);
  }

  private fail(failure: Failure): void {
    if (this.failure !== undefined) return;
    this.failure = failure;
    this.context.log.error(
      { err: failure, volumeId: this.id },
      'the volume is lost to this gateway',
    );
    this.uploader.fail(failure);
    this.context.buffers.wake();
  }

  private check(offset: number, length: number): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.closing !== undefined) {
      throw new Failure('closed', 'volume-closed', 'The volume is being closed', {
        facts: { volumeId: this.id },
      });
    }
    checkRange(offset, length, this.sizeBytes);
  }
}
