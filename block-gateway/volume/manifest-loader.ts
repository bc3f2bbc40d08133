/** From a manifest to the map it stands for: the checkpoint, then segment after segment what its entries say. */
import { checkpointBlobId, segmentBlobId } from './blob-names.ts';
import { checkpointPartBytesMax, decodeCheckpointPart } from './checkpoint-format.ts';
import type { Ciphers } from './ciphers.ts';
import type { EngineContext } from './context.ts';
import { holdsData, zeroEntry } from './entries.ts';
import { ExtentMap } from './extent-map.ts';
import type { CheckpointRef, Manifest, Run } from './head.ts';
import type { VolumeState } from './reader.ts';
import type { SegmentHeader } from './segment-format.ts';
import { findSegmentHeader, readBlob } from './segment-source.ts';
import { SegmentTable } from './segments.ts';
import { sectorBytes } from './units.ts';
import { corruptFormat } from './words.ts';

const headersAtOnce = 8;

export interface LoaderOptions {
  readonly context: EngineContext;
  readonly volumeId: string;
  readonly sizeBytes: number;
  readonly ciphers: Ciphers;
}

export function newState(context: EngineContext): VolumeState {
  const segments = new SegmentTable(context.cacheIds);
  const map = new ExtentMap((slot, sectors) => {
    segments.get(slot).liveSectors -= sectors;
    segments.liveSectors -= sectors;
  });
  return { map, segments };
}

export class ManifestLoader {
  readonly state: VolumeState;
  private readonly options: LoaderOptions;

  constructor(options: LoaderOptions) {
    this.options = options;
    this.state = newState(options.context);
  }

  /** All of a manifest whose runs are closed. */
  async load(manifest: Manifest): Promise<VolumeState> {
    if (manifest.checkpoint !== undefined) await this.loadCheckpoint(manifest.checkpoint);
    for (const run of manifest.tail) await this.replay(run);
    return this.state;
  }

  async loadCheckpoint(checkpoint: CheckpointRef): Promise<void> {
    const { context, volumeId: own, sizeBytes, ciphers } = this.options;
    const { epoch, serial, volume: volumeId = own } = checkpoint;
    const cipherOf = (owner: string) => ciphers.of(owner);
    const into = { ...this.state, sizeBytes, volumeId: own, cipherOf };
    for (let part = 0; part < checkpoint.parts; part++) {
      const id = checkpointBlobId(volumeId, checkpoint, part);
      const source = await readBlob(context.blobs, id, checkpointPartBytesMax);
      decodeCheckpointPart(source, { volumeId, epoch, serial }, part, into);
    }
  }

  /** Applies segments that are known to be in the store. */
  async replay(run: Run): Promise<void> {
    for await (const header of this.headers(run)) {
      const last = header.number === (run.end ?? 0) - 1;
      this.apply(header, last ? run.entries : undefined);
    }
  }

  /** The headers of a closed run, in order. */
  async *headers(run: Run): AsyncIterable<SegmentHeader> {
    const { context, volumeId } = this.options;
    const { volume = volumeId, epoch, first, end = first } = run;
    for (let at = first; at < end; at += headersAtOnce) {
      const numbers = sequence(at, Math.min(at + headersAtOnce, end));
      const headers = await Promise.all(
        numbers.map((number) => findSegmentHeader(context.blobs, { volume, number, epoch })),
      );
      for (const [index, header] of headers.entries()) {
        if (header === undefined) throw corruptFormat('segment-missing', { number: at + index });
        yield header;
      }
    }
  }

  /** Applies the first `count` entries of a segment, all when left out. */
  apply(header: SegmentHeader, count = header.entries.count): void {
    const { map, segments } = this.state;
    const { sizeBytes, ciphers, volumeId: own } = this.options;
    const { number, epoch, entries, volumeId } = header;
    const segment = segments.add({
      number,
      epoch,
      blobId: segmentBlobId(volumeId, number, epoch),
      owner: volumeId === own ? undefined : volumeId,
      cipher: ciphers.of(volumeId),
    });
    segment.headerBytes = header.headerBytes;
    segment.dataBytes = header.dataBytes;
    segment.durable = true;
    segments.dataSectors += header.dataBytes / sectorBytes;
    let offset = 0;
    for (let at = 0; at < Math.min(count, entries.count); at++) {
      const start = entries.start(at);
      const sectors = entries.sectors(at);
      const kind = entries.kind(at);
      const changes = holdsData(kind) || kind === zeroEntry;
      if (changes && (start + sectors) * sectorBytes > sizeBytes)
        throw corruptFormat('entry-outside', { number, start });
      if (kind === zeroEntry) map.cut(start, sectors);
      if (!holdsData(kind)) continue;
      map.put(start, sectors, segment.slot, offset);
      segment.liveSectors += sectors;
      segments.liveSectors += sectors;
      offset += sectors;
    }
  }

  /** Gives back what the table holds of shared things. */
  drop(): void {
    dropState(this.options.context, this.state);
  }
}

export function dropState(context: EngineContext, state: VolumeState): void {
  state.segments.clear((cacheId) => context.cache.drop(cacheId));
}

export function sequence(from: number, until: number): number[] {
  return Array.from({ length: Math.max(0, until - from) }, (_, index) => from + index);
}
