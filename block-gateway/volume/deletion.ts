/**
 * Deleting a volume's blobs, in an order that lets a repeated attempt find what the one before left:
 *   1. Mark the head, raise the epoch and the fence: nobody writes any more.
 *   2. When pins are left that clones use, nothing else happens: the last of them ends the deletion.
 *   3. Segments that the checkpoint names; then those of the tail, the open-ended run from its end backwards. What pins and the past needed is
 *      named by the checkpoint as well, as dead.
 *   4. The checkpoints, each from its last part on, since the first ones name the segments.
 */
import { checkpointBlobId, segmentBlobId } from './blob-names.ts';
import { checkpointPartBytesMax, decodeCheckpointPart } from './checkpoint-format.ts';
import { deleteCheckpoint } from './checkpointer.ts';
import type { EngineContext } from './context.ts';
import type { CheckpointRef, Manifest, Run, VolumeHead } from './head.ts';
import { dropState, newState } from './manifest-loader.ts';
import { listPins } from './pin-rows.ts';
import { raiseEpoch } from './raise-epoch.ts';
import { strayWindow } from './recovery.ts';
import { readBlob } from './segment-source.ts';
import { deleteTail } from './tail-blobs.ts';
import { volumeIdBytes } from './words.ts';

/** False when pins still need what the volume wrote. */
export async function deleteVolumeBlobs(
  context: EngineContext,
  volumeId: string,
): Promise<boolean> {
  const head = await raiseEpoch(context, volumeId, (present) => ({
    ...present,
    state: 'deleting',
    gateway: '',
  }));
  for (const log of context.logFiles.claimsOf(volumeIdBytes(volumeId).toString('hex')))
    context.logFiles.release(log);
  if ((await listPins(context.tables, volumeId)).length > 0) return false;
  const manifests: readonly Manifest[] = [head, ...(head.abandoned ?? [])];
  for (const { checkpoint } of manifests)
    if (checkpoint !== undefined && checkpoint.volume === undefined)
      await deleteNamed(context, head, checkpoint);
  for (const { tail } of manifests)
    for (const run of tail) if (run.volume === undefined) await deleteRun(context, head, run);
  const past = [...manifests, ...(head.history ?? [])].map(({ checkpoint }) => checkpoint);
  for (const checkpoint of [...past, ...(head.retired ?? [])])
    if (checkpoint !== undefined && checkpoint.volume === undefined)
      await deleteCheckpoint(context, volumeId, checkpoint);
  return true;
}

async function deleteNamed(
  context: EngineContext,
  head: VolumeHead,
  checkpoint: CheckpointRef,
): Promise<void> {
  const state = newState(context);
  const { epoch, serial } = checkpoint;
  const into = { ...state, sizeBytes: head.sizeBytes, volumeId: head.id };
  try {
    for (let part = 0; part < checkpoint.parts; part++) {
      const id = checkpointBlobId(head.id, checkpoint, part);
      // Parts go last to first, and after all segments: from a missing one on there is nothing to find.
      if ((await context.blobs.stat(id)) === undefined) break;
      const source = await readBlob(context.blobs, id, checkpointPartBytesMax);
      decodeCheckpointPart(source, { volumeId: head.id, epoch, serial }, part, into);
    }
    for (const segment of state.segments.all())
      if (segment.owner === undefined) await context.blobs.delete(segment.blobId);
  } finally {
    dropState(context, state);
  }
}

async function deleteRun(context: EngineContext, head: VolumeHead, run: Run): Promise<void> {
  const end = run.end ?? (await lastOf(context, head.id, run)) + strayWindow;
  // An opening that died may have stored some of them again under its own epoch.
  const epochs = run.end === undefined ? head.epoch : run.epoch;
  for (let number = end - 1; number >= run.first; number--) {
    for (let epoch = run.epoch; epoch <= epochs; epoch++)
      await context.blobs.delete(segmentBlobId(head.id, number, epoch));
    if (head.durability === 'replicated')
      await deleteTail(context.blobs, { volume: head.id, number, epoch: run.epoch });
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
