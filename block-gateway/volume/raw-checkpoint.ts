/**
 * A volume's first checkpoint over blobs that are no segments: their bytes, one blob after the other, are its content. Nothing is copied; the volume's
 * own segments follow as in any other.
 */
import { checkpointBlobId } from './blob-names.ts';
import { encodeCheckpoint, type SegmentRow } from './checkpoint-format.ts';
import type { EngineContext } from './context.ts';
import { ExtentMap } from './extent-map.ts';
import type { CheckpointRef } from './head.ts';
import { roundUp, sectorBytes, segmentBytesMax } from './units.ts';

export interface RawBlob {
  readonly id: string;
  readonly length: number;
}

export interface RawContent {
  readonly segments: readonly SegmentRow[];
  readonly map: ExtentMap;
}

/** Undefined when a blob other than the last ends inside a sector: then some sector would lie in two blobs. */
export function rawContent(blobs: readonly RawBlob[]): RawContent | undefined {
  const map = new ExtentMap(() => undefined);
  const segments: SegmentRow[] = [];
  let sector = 0;
  for (const [index, { id, length }] of blobs.entries()) {
    if (length % sectorBytes !== 0 && index < blobs.length - 1) return undefined;
    // A blob may be larger than a segment: then it is several, which begin in its midst.
    for (let from = 0; from < length; from += segmentBytesMax) {
      const dataBytes = roundUp(Math.min(length - from, segmentBytesMax), sectorBytes);
      const slot = segments.length;
      segments.push({
        ...{ slot, number: 0, epoch: 0, blobId: id, headerBytes: from, dataBytes },
        ...{ raw: true, death: 0 },
      });
      map.put(sector, dataBytes / sectorBytes, slot, 0);
      sector += dataBytes / sectorBytes;
    }
  }
  return { segments, map };
}

export interface EncodedCheckpoint {
  readonly checkpoint: CheckpointRef;
  readonly parts: readonly Buffer[][];
}

/** The volume's first checkpoint, of this epoch. */
export function rawCheckpoint(
  volume: { readonly id: string; readonly epoch: number },
  { segments, map }: RawContent,
): EncodedCheckpoint {
  const { id: volumeId, epoch } = volume;
  const name = { epoch, serial: 1 };
  const content = { segments, map: map.snapshot() };
  const parts = [...encodeCheckpoint({ volumeId, ...name }, content)];
  const bytes = parts.flat().reduce((sum, chunk) => sum + chunk.length, 0);
  return { checkpoint: { ...name, parts: parts.length, bytes, next: 1 }, parts };
}

export async function putCheckpoint(
  { blobs }: Pick<EngineContext, 'blobs'>,
  volumeId: string,
  { checkpoint, parts }: EncodedCheckpoint,
): Promise<void> {
  const fence = { scope: volumeId, epoch: checkpoint.epoch };
  for (const [part, chunks] of parts.entries())
    await blobs.put(chunks, { id: checkpointBlobId(volumeId, checkpoint, part), fence });
}
