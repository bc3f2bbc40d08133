/** Streams one blob to its replicas at once; a majority is enough. */
import { Failure } from '#common';
import type { BlobKey, BlobWriteOptions } from '#wire';
import { bytesOf, checkBlobBytes } from './blob-key.ts';
import type { BlobRepair } from './blob-repair.ts';
import type { BlobRef, ClusterBlobWriter } from './blobs.ts';
import type { Core } from './core.ts';
import { handoffSpare } from './handoff.ts';
import { afterCalls, Lanes } from './lanes.ts';
import type { Placement } from './placement.ts';
import { thresholdsOf } from './quorum.ts';

export class ReplicatedBlobWriter implements ClusterBlobWriter {
  readonly id: string;
  private readonly core: Core;
  private readonly repair: BlobRepair;
  private readonly key: BlobKey;
  private readonly placement: Placement;
  private readonly lanes: Lanes;
  private length = 0;
  private over = false;

  constructor(core: Core, repair: BlobRepair, key: BlobKey, options: BlobWriteOptions) {
    this.id = key.id;
    this.core = core;
    this.repair = repair;
    this.key = key;
    this.placement = core.placement;
    const primaries = core.primariesOf(key.hash);
    // A fenced blob goes to primaries only: fences are counted over sets of primaries.
    const spare =
      options.fence === undefined ? handoffSpare(core, key.hash, 'blob') : () => undefined;
    this.lanes = new Lanes(
      primaries.map((replica) => ({ replica, key, options, spare })),
      {
        needed: thresholdsOf(primaries.length).majority,
        lagBytesMax: core.settings.blobLagBytesMax,
      },
    );
  }

  /** Resolves when a majority has opened the blob. */
  opened(): Promise<void> {
    return this.lanes.caughtUp();
  }

  async append(chunks: readonly Buffer[], onReleased?: () => void): Promise<void> {
    this.ensureOpen();
    const bytes = bytesOf(chunks);
    this.length += bytes;
    checkBlobBytes(this.length);
    const { all } = this.lanes;
    const released = onReleased && afterCalls(all.length, onReleased);
    for (const lane of all) lane.append(chunks, bytes, released);
    await this.lanes.caughtUp();
  }

  async commit(): Promise<BlobRef> {
    this.ensureOpen();
    this.over = true;
    await this.core.epochs.within(async () => {
      await this.lanes.commit();
      if (this.core.placement === this.placement) return;
      const holders = this.lanes.all.filter((lane) => lane.committed);
      await this.repair.settle(
        this.key,
        this.length,
        holders.map(({ replica }) => replica),
      );
    });
    return { id: this.id, length: this.length };
  }

  async abort(): Promise<void> {
    this.over = true;
    await this.lanes.abort();
  }

  private ensureOpen(): void {
    if (this.over)
      throw new Failure('closed', 'blob-writer-closed', 'This blob was committed or aborted');
  }
}
