/**
 * One blob on its way to several devices at once. Each device is a chain of its own (open, append …, commit); whoever writes is
 * held back until enough of them have taken what it gave and none is further behind than `lagBytesMax`. A device
 * that fails or takes too long leaves the race; its copy is the replicator's to make good.
 */
import { Failure, isFailure } from '#common';
import type { BlobKey, BlobWriteOptions, BlobWriter } from '#wire';
import { putAside } from './handoff.ts';
import { quorumFailure, type ReplicaFailure } from './quorum.ts';
import type { Replica } from './replica.ts';

export class Lanes {
  readonly all: readonly Lane[];
  private readonly needed: number;
  private readonly lagBytesMax: number;
  private recheck: (() => void) | undefined;

  /** `needed`: so many are enough. */
  constructor(
    lanes: readonly Omit<LaneParts, 'progress'>[],
    { needed, lagBytesMax }: { readonly needed: number; readonly lagBytesMax: number },
  ) {
    this.needed = needed;
    this.lagBytesMax = lagBytesMax;
    const progress = () => this.recheck?.();
    this.all = lanes.map((parts) => new Lane({ ...parts, progress }));
  }

  /** Resolves when enough lanes have done all that they were given. */
  caughtUp(): Promise<void> {
    return this.reached((lane) => lane.lagSteps === 0);
  }

  async commit(): Promise<void> {
    for (const lane of this.all) lane.commit();
    await this.reached((lane) => lane.committed);
  }

  async abort(): Promise<void> {
    await Promise.all(this.all.map((lane) => lane.abort()));
  }

  private reached(there: (lane: Lane) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.recheck = () => {
        const failures = this.failures();
        if (this.all.length - failures.length < this.needed) {
          this.recheck = undefined;
          reject(quorumFailure('blob', failures));
          return;
        }
        const done = this.all.filter((lane) => lane.failure === undefined && there(lane)).length;
        if (done < this.needed || this.all.some((lane) => lane.lagBytes > this.lagBytesMax)) return;
        this.recheck = undefined;
        resolve();
      };
      this.recheck();
    });
  }

  private failures(): ReplicaFailure[] {
    return this.all.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  }
}

/** Runs once it was called so often. */
export function afterCalls(count: number, run: () => void): () => void {
  let missing = count;
  return () => {
    missing -= 1;
    if (missing === 0) run();
  };
}

export interface LaneParts {
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
