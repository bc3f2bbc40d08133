/**
 * Streams a blob to the devices of its fragments: gathers a segment, computes its parity, hands each device its run, and is held back
 * until enough devices have taken theirs.
 */
import { crc32c } from '@node-rs/crc32';
import { Failure } from '#common';
import { bytesOf, checkBlobBytes } from '../blob-key.ts';
import type { BlobRef, ClusterBlobWriter } from '../blobs.ts';
import type { Core } from '../core.ts';
import { spareOf } from '../handoff.ts';
import { afterCalls, Lanes } from '../lanes.ts';
import { fragmentsToWrite } from './code.ts';
import { type CodedKey, type FragmentPlaces, fragmentKey } from './fragment-places.ts';
import { segmentBytes } from './layout.ts';
import { encodeSegment } from './segments.ts';
import { encodeTrailer, fragmentBytes } from './trailer.ts';

export class ErasureBlobWriter implements ClusterBlobWriter {
  readonly id: string;
  private readonly key: CodedKey;
  private readonly lanes: Lanes;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  /** Called when the segment that is being gathered is let go. */
  private releases: (() => void)[] = [];
  private length = 0;
  private sum = 0;
  private over = false;

  constructor(core: Core, places: FragmentPlaces, key: CodedKey, lengthHint: number | undefined) {
    this.id = key.id;
    this.key = key;
    const spare = spareOf(core, 'blob', () => places.handoffs(key));
    const options =
      lengthHint === undefined ? {} : { lengthHint: fragmentBytes(key.code, lengthHint) };
    this.lanes = new Lanes(
      places
        .owners(key)
        .map((replica, index) => ({ replica, key: fragmentKey(key, index), options, spare })),
      { needed: fragmentsToWrite(key.code), lagBytesMax: core.settings.blobLagBytesMax },
    );
  }

  /** Resolves when enough devices have opened their fragment. */
  opened(): Promise<void> {
    return this.lanes.caughtUp();
  }

  async append(chunks: readonly Buffer[], onReleased?: () => void): Promise<void> {
    this.ensureOpen();
    const bytes = bytesOf(chunks);
    checkBlobBytes(this.length + bytes);
    this.length += bytes;
    const segments = Math.ceil((this.pendingBytes + bytes) / segmentBytes);
    const released = onReleased && afterCalls(Math.max(1, segments), onReleased);
    for (const chunk of chunks) {
      this.sum = crc32c(chunk, this.sum);
      let rest = chunk;
      while (this.pendingBytes + rest.length >= segmentBytes) {
        const room = segmentBytes - this.pendingBytes;
        this.gather(rest.subarray(0, room));
        if (released !== undefined) this.releases.push(released);
        this.send();
        rest = rest.subarray(room);
      }
      this.gather(rest);
    }
    if (released !== undefined && (this.pendingBytes > 0 || segments === 0))
      this.releases.push(released);
    await this.lanes.caughtUp();
  }

  async commit(): Promise<BlobRef> {
    this.ensureOpen();
    this.over = true;
    if (this.pendingBytes > 0) this.send();
    const { key, length, sum } = this;
    for (const [index, lane] of this.lanes.all.entries()) {
      const { id: blobId, code } = key;
      const trailer = encodeTrailer({ blobId, code, index, blobLength: length, blobSum: sum });
      lane.append([trailer], trailer.length, undefined);
    }
    await this.lanes.commit();
    return { id: this.id, length };
  }

  async abort(): Promise<void> {
    this.over = true;
    await this.lanes.abort();
  }

  private gather(piece: Buffer): void {
    if (piece.length === 0) return;
    this.pending.push(piece);
    this.pendingBytes += piece.length;
  }

  private send(): void {
    const runs = encodeSegment(this.key.code, this.pending);
    const { releases } = this;
    const released = afterCalls(this.lanes.all.length, () => {
      for (const release of releases) release();
    });
    for (const [index, lane] of this.lanes.all.entries()) {
      const run = runs[index] ?? [];
      lane.append(run, bytesOf(run), released);
    }
    this.pending = [];
    this.pendingBytes = 0;
    this.releases = [];
  }

  private ensureOpen(): void {
    if (this.over)
      throw new Failure('closed', 'blob-writer-closed', 'This blob was committed or aborted');
  }
}
