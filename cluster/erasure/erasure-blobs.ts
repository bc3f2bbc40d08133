/** `Blobs` in fragments: k of data, m of parity, each on a device of its own. */
import { crc32c } from '@node-rs/crc32';
import { LRUCache } from 'lru-cache';
import { Failure, isFailure } from '#common';
import { blobReadBytesMax } from '#wire';
import { bytesOf, checkBlobBytes, newBlobId } from '../blob-key.ts';
import type { BlobOptions, BlobRef, Blobs, ClusterBlobWriter } from '../blobs.ts';
import type { Core } from '../core.ts';
import { quorumFailure, type ReplicaFailure } from '../quorum.ts';
import type { Replica } from '../replica.ts';
import { codedId, codeOfId, fragmentsToWrite, stemOf } from './code.ts';
import { ErasureBlobWriter } from './erasure-writer.ts';
import { type CodedKey, type FragmentPlaces, fragmentKey } from './fragment-places.ts';
import { runsWithin, stepFrom } from './layout.ts';
import { putFragments } from './put-fragments.ts';
import { readSegment } from './segment-read.ts';
import { encodeSegment, segmentsOf } from './segments.ts';
import { decodeTrailer, encodeTrailer, trailerBytes } from './trailer.ts';

/** Lengths of blobs that were asked for, so that reading on by id alone asks but once. */
const lengthsMax = 4096;

export class ErasureBlobs implements Omit<Blobs, 'raiseFence'> {
  private readonly core: Core;
  private readonly places: FragmentPlaces;
  private readonly lengths = new LRUCache<string, number>({ max: lengthsMax });

  constructor(core: Core, places: FragmentPlaces) {
    this.core = core;
    this.places = places;
  }

  async put(chunks: readonly Buffer[], options: BlobOptions = {}): Promise<BlobRef> {
    const key = this.newKey(options);
    const length = bytesOf(chunks);
    checkBlobBytes(length);
    const fragments: Buffer[][] = this.places.owners(key).map(() => []);
    for (const segment of segmentsOf(chunks))
      for (const [index, run] of encodeSegment(key.code, segment).entries())
        fragments[index]?.push(...run);
    const blobSum = chunks.reduce((sum, chunk) => crc32c(chunk, sum), 0);
    const { id: blobId, code } = key;
    for (const [index, pieces] of fragments.entries())
      pieces.push(encodeTrailer({ blobId, code, index, blobLength: length, blobSum }));
    await putFragments(this.core, this.places, key, fragments, options.onReleased);
    return { id: key.id, length };
  }

  async open(options: BlobOptions = {}): Promise<ClusterBlobWriter> {
    const { core, places } = this;
    const writer = new ErasureBlobWriter(core, places, this.newKey(options), options.lengthHint);
    try {
      await writer.opened();
      return writer;
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async read(id: string, offset: number, length: number): Promise<Buffer> {
    if (!(offset >= 0 && length >= 0 && length <= blobReadBytesMax))
      throw new Failure('invalid', 'bad-range', 'A blob cannot be read at this place', {
        facts: { offset, length },
      });
    const pieces: Buffer[] = [];
    for await (const piece of this.stream(id, offset, length)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async *stream(
    id: string,
    offset: number,
    length: number,
    known?: number,
  ): AsyncGenerator<Buffer, void> {
    const key = this.keyOf(id);
    const blobLength = known ?? (await this.lengthOf(key));
    const end = Math.min(offset + length, blobLength);
    let at = offset;
    let ahead = this.readAhead(key, blobLength, at, end);
    while (ahead !== undefined) {
      const pieces = await ahead;
      at += stepFrom(at, end);
      ahead = this.readAhead(key, blobLength, at, end);
      yield* pieces;
    }
  }

  async stat(id: string): Promise<BlobRef | undefined> {
    try {
      return { id, length: await this.lengthOf(this.keyOf(id)) };
    } catch (error) {
      if (isFailure(error, 'missing')) return undefined;
      throw error;
    }
  }

  async delete(id: string): Promise<void> {
    const key = this.keyOf(id);
    const owners = this.places.owners(key);
    const failures: ReplicaFailure[] = [];
    await Promise.all(
      owners.map(async (owner, index) => {
        try {
          await owner.call('blob', 0, (device) => device.deleteBlob(fragmentKey(key, index)));
        } catch (error) {
          failures.push({ device: owner.device, error });
        }
      }),
    );
    this.lengths.delete(id);
    if (owners.length - failures.length < fragmentsToWrite(key.code))
      throw quorumFailure('blob', failures);
  }

  private newKey({ code, id, fence }: BlobOptions): CodedKey {
    if (code === undefined || id !== undefined || fence !== undefined)
      throw new Failure(
        'invalid',
        'bad-code',
        'Blobs with an id or a fence are not stored in fragments',
      );
    const stem = newBlobId(this.core.random);
    return { id: codedId(stem, code), code, hash: this.core.hasher.ofBlob(stem) };
  }

  private keyOf(id: string): CodedKey {
    const code = codeOfId(id);
    if (code === undefined || !/^[0-9a-f]{38}$/.test(id))
      throw new Failure('invalid', 'bad-blob-id', 'This is no id of a blob', { facts: { id } });
    return { id, code, hash: this.core.hasher.ofBlob(stemOf(id)) };
  }

  private readAhead(
    key: CodedKey,
    blobLength: number,
    at: number,
    end: number,
  ): Promise<readonly Buffer[]> | undefined {
    if (at >= end) return undefined;
    const read = readSegment({
      key,
      owners: this.places.owners(key),
      handoffs: () => this.places.handoffs(key),
      wheel: this.core.wheel,
      runs: runsWithin(key.code, blobLength, at, stepFrom(at, end)),
    }).then(({ pieces, way }) => {
      this.core.counters.codedReads.inc({ way });
      return pieces;
    });
    // The consumer may leave before it takes this one; its failure is thrown to whoever awaits it.
    read.catch(() => undefined);
    return read;
  }

  /** From the trailer of any fragment. */
  private async lengthOf(key: CodedKey): Promise<number> {
    const known = this.lengths.get(key.id);
    if (known !== undefined) return known;
    const failures: ReplicaFailure[] = [];
    const owners = this.places.owners(key);
    const standIns = [...this.places.handoffs(key)].slice(0, owners.length);
    const places = [
      ...owners.map((replica, index) => ({ replica, index })),
      ...standIns.flatMap((replica) => owners.map((_, index) => ({ replica, index }))),
    ];
    for (const { replica, index } of places) {
      try {
        const length = await lengthAt(key, replica, index);
        if (length === undefined) continue;
        this.lengths.set(key.id, length);
        return length;
      } catch (error) {
        failures.push({ device: replica.device, error });
      }
    }
    if (failures.length > 0) throw quorumFailure('blob', failures);
    throw new Failure('missing', 'blob-missing', 'There is no such blob', {
      facts: { id: key.id },
    });
  }
}

async function lengthAt(
  key: CodedKey,
  replica: Replica,
  index: number,
): Promise<number | undefined> {
  const fragment = fragmentKey(key, index);
  const info = await replica.call('blob', 0, (device) => device.statBlob(fragment));
  if (info === undefined) return undefined;
  const bytes = await replica.call('blob', 0, (device) =>
    device.readBlob(fragment, Math.max(0, info.length - trailerBytes), trailerBytes),
  );
  return decodeTrailer(bytes, key.id, key.code, index).blobLength;
}
