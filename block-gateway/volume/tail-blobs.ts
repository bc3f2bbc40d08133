/**
 * The write log of volumes whose FLUSH waits for a majority of storage nodes: each batch is a small blob, named by its segment and its index,
 * fenced like segments, and deleted when the segment itself is in the store.
 */
import type { Blobs } from '#cluster';
import { isFailure } from '#common';
import { tailBlobId } from './blob-names.ts';
import { entriesMax } from './entries.ts';
import { batchBytes } from './log-format.ts';
import type { SegmentId } from './segment-source.ts';
import { segmentBytesMax } from './units.ts';

const batchesMax = 65_536;
const blobReadMax = 1024 * 1024;
const batchBytesMax = batchBytes(entriesMax, segmentBytesMax);

export async function putBatch(
  blobs: Blobs,
  segment: SegmentId,
  index: number,
  chunks: readonly Buffer[],
): Promise<void> {
  const { volume, number, epoch } = segment;
  // The data is copied: a replica that is late still reads it when the segment's buffer is filled anew.
  await blobs.put([Buffer.concat(chunks)], {
    id: tailBlobId(volume, number, epoch, index),
    fence: { scope: volume, epoch },
  });
}

/** All batches of a segment one after another, as they would lie in a log file. */
export async function readTail(blobs: Blobs, segment: SegmentId): Promise<Buffer> {
  const { volume, number, epoch } = segment;
  const batches: Buffer[] = [];
  for (let index = 0; index < batchesMax; index++) {
    const batch = await readBatch(blobs, tailBlobId(volume, number, epoch, index));
    if (batch === undefined) break;
    batches.push(batch);
  }
  return Buffer.concat(batches);
}

async function readBatch(blobs: Blobs, id: string): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  try {
    for (let at = 0; at < batchBytesMax; at += blobReadMax) {
      const piece = await blobs.read(id, at, blobReadMax);
      pieces.push(piece);
      if (piece.length < blobReadMax) break;
    }
  } catch (error) {
    if (isFailure(error, 'missing')) return undefined;
    throw error;
  }
  return Buffer.concat(pieces);
}

/** Deletes the batches of a segment: `count` of them, or all there are when that is not known. */
export async function deleteTail(blobs: Blobs, segment: SegmentId, count?: number): Promise<void> {
  const { volume, number, epoch } = segment;
  for (let index = 0; index < (count ?? batchesMax); index++) {
    const id = tailBlobId(volume, number, epoch, index);
    if (count === undefined && (await blobs.stat(id)) === undefined) return;
    await blobs.delete(id);
  }
}
