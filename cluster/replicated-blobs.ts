/** `Blobs` over replicas. */
import { isFailure } from '#common';
import type { BlobKey, BlobWriteOptions, Fence } from '#wire';
import { blobReadBytesMax } from '#wire';
import { blobKeyOf, bytesOf, checkBlobBytes, newBlobId } from './blob-key.ts';
import { BlobReader } from './blob-reader.ts';
import { BlobRepair } from './blob-repair.ts';
import { ReplicatedBlobWriter } from './blob-writer.ts';
import type { BlobOptions, BlobRef, Blobs, ClusterBlobWriter, Release } from './blobs.ts';
import type { Core } from './core.ts';
import { Fences } from './fences.ts';
import { gather } from './gather.ts';
import { handoffSpare, putAside } from './handoff.ts';
import { Quorum, quorumFailure } from './quorum.ts';
import type { Replica } from './replica.ts';

export class ReplicatedBlobs implements Blobs {
  readonly repair: BlobRepair;
  private readonly core: Core;
  private readonly reader: BlobReader;
  private readonly fences: Fences;

  constructor(core: Core) {
    this.core = core;
    this.repair = new BlobRepair(core);
    this.reader = new BlobReader(core, this.repair);
    this.fences = new Fences(core);
  }

  async put(chunks: readonly Buffer[], options: BlobOptions = {}): Promise<BlobRef> {
    const key = this.keyFor(options);
    const length = bytesOf(chunks);
    checkBlobBytes(length);
    await this.core.epochs.within(() => this.store(key, chunks, length, options));
    return { id: key.id, length };
  }

  private async store(
    key: BlobKey,
    chunks: readonly Buffer[],
    length: number,
    options: BlobOptions,
  ): Promise<void> {
    const write = writeOptions({ ...options, lengthHint: length });
    const { placement } = this.core;
    const replicas = this.core.primariesOf(key.hash);
    const holders: Replica[] = [];
    const quorum = new Quorum<void>(replicas.length);
    const mayHandOff = options.fence === undefined;
    const readers = new Readers(options.onReleased);
    const verdict = await gather<void>({
      quorum,
      replicas,
      send: (replica) =>
        mayHandOff && replica.aside
          ? Promise.reject(putAside(replica.device))
          : replica.call('blob', length, (device) =>
              readers.count(device.putBlob(key, chunks, write)),
            ),
      sort: (replica) => {
        holders.push(replica);
        quorum.yes(replica.device, undefined);
      },
      ...(mayHandOff ? { spare: handoffSpare(this.core, key.hash, 'blob') } : {}),
    });
    readers.end();
    if (verdict !== 'enough') throw quorumFailure('blob', quorum.failures);
    if (this.core.placement !== placement) await this.repair.settle(key, length, holders);
  }

  async open(options: BlobOptions = {}): Promise<ClusterBlobWriter> {
    const writer = new ReplicatedBlobWriter(
      this.core,
      this.repair,
      this.keyFor(options),
      writeOptions(options),
    );
    try {
      await writer.opened();
      return writer;
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async read(id: string, offset: number, length: number): Promise<Buffer> {
    const key = blobKeyOf(this.core.hasher, id);
    return this.core.epochs.within(() => this.reader.read(key, offset, length));
  }

  async *stream(id: string, offset: number, length: number): AsyncGenerator<Buffer, void> {
    const key = blobKeyOf(this.core.hasher, id);
    const end = offset + length;
    let at = offset;
    let ahead = this.readAhead(key, at, end);
    while (ahead !== undefined) {
      const chunk = await ahead;
      const wanted = Math.min(blobReadBytesMax, end - at);
      at += chunk.length;
      // Fewer bytes than asked for come only at the blob's end.
      ahead = chunk.length < wanted ? undefined : this.readAhead(key, at, end);
      if (chunk.length > 0) yield chunk;
    }
  }

  async stat(id: string): Promise<BlobRef | undefined> {
    const key = blobKeyOf(this.core.hasher, id);
    const info = await this.core.epochs.within(() => this.reader.find(key));
    return info === undefined ? undefined : { id, length: info.length };
  }

  async delete(id: string): Promise<void> {
    const key = blobKeyOf(this.core.hasher, id);
    const replicas = this.core.primariesOf(key.hash);
    const quorum = new Quorum<void>(replicas.length);
    const send = (replica: Replica) => replica.call('blob', 0, (device) => device.deleteBlob(key));
    const sort = (replica: Replica) => quorum.yes(replica.device, undefined);
    const verdict = await gather<void>({ quorum, replicas, send, sort });
    if (verdict !== 'enough') throw quorumFailure('blob', quorum.failures);
  }

  async raiseFence(fence: Fence): Promise<void> {
    return this.core.epochs.within(() => this.fences.raise(fence));
  }

  private keyFor(options: BlobOptions): BlobKey {
    return blobKeyOf(this.core.hasher, options.id ?? newBlobId(this.core.random));
  }

  private readAhead(key: BlobKey, at: number, end: number): Promise<Buffer> | undefined {
    if (at >= end) return undefined;
    const read = this.reader.read(key, at, Math.min(blobReadBytesMax, end - at));
    // The consumer may leave before it takes this one; its failure is then nobody's, and is thrown to whoever awaits it.
    read.catch(() => undefined);
    return read;
  }
}

function writeOptions(options: BlobOptions): BlobWriteOptions {
  return {
    ...(options.fence === undefined ? {} : { fence: options.fence }),
    ...(options.lengthHint === undefined ? {} : { lengthHint: options.lengthHint }),
  };
}

/**
 * Who may still read the chunks of a put: the put itself and every device that was given them, however long ago the caller
 * stopped waiting for it.
 */
class Readers {
  private readonly onReleased: ((how: Release) => void) | undefined;
  private reading = 1;
  private how: Release = 'free';

  constructor(onReleased: ((how: Release) => void) | undefined) {
    this.onReleased = onReleased;
  }

  count(storing: Promise<void>): Promise<void> {
    if (this.onReleased === undefined) return storing;
    this.reading++;
    storing.then(
      () => this.leave(),
      (error: unknown) => {
        // A call that was given up does not take back what waits in a socket.
        if (isFailure(error, 'unreachable')) this.how = 'unknown';
        this.leave();
      },
    );
    return storing;
  }

  end(): void {
    if (this.onReleased !== undefined) this.leave();
  }

  // In a turn of its own: a replica that failed may be stood in for by another within this one.
  private leave(): void {
    setImmediate(() => {
      if (--this.reading === 0) this.onReleased?.(this.how);
    });
  }
}
