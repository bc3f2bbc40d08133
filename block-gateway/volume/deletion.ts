/**
 * Deleting a volume's blobs, in an order that lets a repeated attempt find what the one before left:
 *   1. Mark the head, raise the epoch and the fence: nobody writes any more.
 *   2. Segments that the checkpoint names; then those of the tail, the open-ended run from its end backwards.
 *   3. The checkpoint, its last part first, since the first ones name the segments.
 */
import { checkpointBlobId, segmentBlobId } from './blob-names.ts';
import { checkpointPartBytesMax, decodeCheckpointPart } from './checkpoint-format.ts';
import type { EngineContext } from './context.ts';
import type { CheckpointRef, Run, VolumeHead } from './head.ts';
import { changeHead } from './head-row.ts';
import { newState, readBlob, strayWindow } from './recovery.ts';
import { volumeIdBytes } from './words.ts';

export async function deleteVolumeBlobs(context: EngineContext, volumeId: string): Promise<void> {
  const head = await changeHead(context.tables, volumeId, (present) => ({
    ...present,
    state: 'deleting',
    epoch: present.epoch + 1,
    gateway: '',
  }));
  await context.blobs.raiseFence({ scope: volumeId, epoch: head.epoch });
  if (head.checkpoint !== undefined) await deleteNamed(context, head, head.checkpoint);
  for (const run of head.tail) await deleteRun(context, head, run);
  for (const checkpoint of [head.checkpoint, head.retired])
    if (checkpoint !== undefined) await deleteParts(context, volumeId, checkpoint);
  for (const log of context.logFiles.claimsOf(volumeIdBytes(volumeId).toString('hex')))
    context.logFiles.release(log);
}

async function deleteNamed(
  context: EngineContext,
  head: VolumeHead,
  checkpoint: CheckpointRef,
): Promise<void> {
  const state = newState(context);
  const { epoch, serial } = checkpoint;
  const into = { ...state, sizeBytes: head.sizeBytes };
  try {
    for (let part = 0; part < checkpoint.parts; part++) {
      const id = checkpointBlobId(head.id, checkpoint, part);
      // Parts go last to first, and after all segments: from a missing one on there is nothing to find.
      if ((await context.blobs.stat(id)) === undefined) break;
      const source = await readBlob(context, id, checkpointPartBytesMax);
      decodeCheckpointPart(source, { volumeId: head.id, epoch, serial }, part, into);
    }
    for (const segment of state.segments.all()) await context.blobs.delete(segment.blobId);
  } finally {
    state.segments.clear((cacheId) => context.cache.drop(cacheId));
  }
}

async function deleteRun(context: EngineContext, head: VolumeHead, run: Run): Promise<void> {
  const end = run.end ?? (await lastOf(context, head.id, run)) + strayWindow;
  // An opening that died may have stored some of them again under its own epoch.
  const epochs = run.end === undefined ? head.epoch : run.epoch;
  for (let number = end - 1; number >= run.first; number--) {
    for (let epoch = run.epoch; epoch <= epochs; epoch++)
      await context.blobs.delete(segmentBlobId(head.id, number, epoch));
  }
}

async function lastOf(context: EngineContext, volumeId: string, run: Run): Promise<number> {
  let last = run.first - 1;
  for (let number = run.first; number <= last + strayWindow; number++) {
    const found = await context.blobs.stat(segmentBlobId(volumeId, number, run.epoch));
    if (found !== undefined) last = number;
  }
  return last;
}

async function deleteParts(
  context: EngineContext,
  volumeId: string,
  checkpoint: CheckpointRef,
): Promise<void> {
  for (let part = checkpoint.parts - 1; part >= 0; part--)
    await context.blobs.delete(checkpointBlobId(volumeId, checkpoint, part));
}
