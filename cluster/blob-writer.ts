/**
 * Streams one blob to its replicas at once. Each replica is a chain of its own (open, append …, commit); the caller is
 * held back until a majority has taken what it gave and no replica is further behind than `blobLagBytesMax`. A replica that
 * fails or takes too long leaves the race; its copy is the replicator's to make good.
 */
import { Failure, isFailure } from '#common';
import type { BlobKey, BlobWriteOptions, BlobWriter } from '#wire';
import { bytesOf, checkBlobBytes } from './blob-key.ts';
import type { BlobRepair } from './blob-repair.ts';
import type { BlobRef, ClusterBlobWriter } from './blobs.ts';
import type { Core } from './core.ts';
import { handoffSpare, putAside } from './handoff.ts';
import type { Placement } from './placement.ts';
import { quorumFailure, type ReplicaFailure, thresholdsOf } from './quorum.ts';
import type { Replica } from './replica.ts';

export class ReplicatedBlobWriter implements ClusterBlobWriter {
  readonly id: string;
  private readonly core: Core;
  private readonly repair: BlobRepair;
  private readonly key: BlobKey;
  private readonly placement: Placement;
  private readonly lanes: readonly Lane[];
  private readonly majority: number;
  private readonly lagBytesMax: number;
  private length = 0;
  private over = false;
  private recheck: (() => void) | undefined;

  constructor(core: Core, repair: BlobRepair, key: BlobKey, options: BlobWriteOptions) {
    this.id = key.id;
    this.core = core;
    this.repair = repair;
    this.key = key;
    this.placement = core.placement;
    const primaries = core.primariesOf(key.hash);
    this.majority = thresholdsOf(primaries.length).majority;
    this.lagBytesMax = core.settings.blobLagBytesMax;
    // A fenced blob goes to primaries only: fences are counted over sets of primaries.
    const spare =
      options.fence === undefined ? handoffSpare(core, key.hash, 'blob') : () => undefined;
    const progress = () => this.recheck?.();
    this.lanes = primaries.map((replica) => new Lane({ replica, key, options, spare, progress }));
  }

  /** Resolves when a majority has opened the blob. */
  opened(): Promise<void> {
    return this.reached((lane) => lane.lagSteps === 0);
  }

  async append(chunks: readonly Buffer[], onReleased?: () => void): Promise<void> {
    this.ensureOpen();
    const bytes = bytesOf(chunks);
    this.length += bytes;
    checkBlobBytes(this.length);
    const released = onReleased && afterCalls(this.lanes.length, onReleased);
    for (const lane of this.lanes) lane.append(chunks, bytes, released);
    await this.reached((lane) => lane.lagSteps === 0);
  }

  async commit(): Promise<BlobRef> {
    this.ensureOpen();
    this.over = true;
    await this.core.epochs.within(async () => {
      for (const lane of this.lanes) lane.commit();
      await this.reached((lane) => lane.committed);
      if (this.core.placement === this.placement) return;
      const holders = this.lanes.filter((lane) => lane.committed).map(({ replica }) => replica);
      await this.repair.settle(this.key, this.length, holders);
    });
    return { id: this.id, length: this.length };
  }

  async abort(): Promise<void> {
    this.over = true;
    await Promise.all(this.lanes.map((lane) => lane.abort()));
  }

  private ensureOpen(): void {
    if (this.over)
      throw new Failure('closed', 'blob-writer-closed', 'This blob was committed or aborted');
  }

  private reached(there: (lane: Lane) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.recheck = () => {
        const failures = this.failures();
        if (this.lanes.length - failures.length < this.majority) {
          this.recheck = undefined;
          reject(quorumFailure('blob', failures));
          return;
        }
        const done = this.lanes.filter((lane) => lane.failure === undefined && there(lane)).length;
        if (done < this.majority || this.lanes.some((lane) => lane.lagBytes > this.lagBytesMax))
          return;
        this.recheck = undefined;
        resolve();
      };
      this.recheck();
    });
  }

  private failures(): ReplicaFailure[] {
    return this.lanes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  }
}

function afterCalls(count: number, run: () => void): () => void {
  let missing = count;
  return () => {
    missing -= 1;
    if (missing === 0) run();
  };
}

interface LaneParts {
  readonly replica: Replica;
  readonly key: BlobKey;
  readonly options: BlobWriteOptions;
  readonly spare: () => Replica | undefined;
  readonly progress: () => void;
}

/** One replica's copy: its steps one after the other, until one fails. */
class Lane {
  failure: ReplicaFailure | undefined;
  committed = false;
  lagBytes = 0;
  lagSteps = 0;
  private readonly parts: LaneParts;
  replica: Replica;
  private writer: BlobWriter | undefined;
  private tail: Promise<void> = Promise.resolve();

  constructor(parts: LaneParts) {
    this.parts = parts;
    this.replica = parts.replica;
    this.step(0, () => this.open());
  }

  append(chunks: readonly Buffer[], bytes: number, released: (() => void) | undefined): void {
    this.step(bytes, () => this.onWriter(bytes, (writer) => writer.append(chunks, released)));
  }

  commit(): void {
    this.step(0, async () => {
      await this.onWriter(0, (writer) => writer.commit());
      this.committed = true;
      this.writer = undefined;
    });
  }

  abort(): Promise<void> {
    this.step(0, () => this.fail(new Failure('closed', 'blob-aborted', 'The blob was called off')));
    return this.tail;
  }

  private step(bytes: number, run: () => Promise<void>): void {
    if (this.failure !== undefined) return;
    this.lagBytes += bytes;
    this.lagSteps += 1;
    this.tail = this.tail.then(async () => {
      if (this.failure === undefined) await this.attempt(run);
      this.lagBytes -= bytes;
      this.lagSteps -= 1;
      this.parts.progress();
    });
  }

  private async attempt(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      await this.fail(error);
    }
  }

  private async open(): Promise<void> {
    const { key, options, spare } = this.parts;
    for (let first = true; ; first = false) {
      const other = first && this.replica.aside ? spare() : undefined;
      if (other !== undefined) this.replica = other;
      try {
        this.writer = await this.replica.call('blob', 0, (device) => device.openBlob(key, options));
        return;
      } catch (error) {
        const next = isFailure(error, 'denied') ? undefined : spare();
        if (next === undefined) throw error;
        this.replica = next;
      }
    }
  }

  private onWriter(bytes: number, run: (writer: BlobWriter) => Promise<void>): Promise<void> {
    const { writer } = this;
    if (writer === undefined) return Promise.reject(putAside(this.replica.device));
    return this.replica.call('blob', bytes, () => run(writer));
  }

  private async fail(error: unknown): Promise<void> {
    const { writer } = this;
    this.failure = { device: this.replica.device, error };
    this.writer = undefined;
    // Not waited for: a device that hangs would hold up the caller's abort as well.
    if (writer !== undefined) void writer.abort();
  }
}
