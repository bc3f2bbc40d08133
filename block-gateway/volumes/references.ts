/**
 * Which blobs a volume's rows lead to, for whoever frees those that nothing refers to. A head or a pin names checkpoints and runs of segments;
 * a checkpoint names the segments before it. What a gateway is about to name, or has written after its open-ended run began, is
 * counted in by the derived ids: too much is harmless here, too little loses a volume.
 */
import type { Blobs, Referrers, Tables } from '#cluster';
import { checkpointBlobId, segmentBlobId, tailBlobId } from '../volume/blob-names.ts';
import { checkpointPartBytesMax, segmentBlobsOf } from '../volume/checkpoint-format.ts';
import type { CheckpointRef, Manifest, Run, VolumeHead } from '../volume/head.ts';
import { findHead } from '../volume/head-row.ts';
import { findPin, type Pin } from '../volume/pin-rows.ts';
import { strayWindow } from '../volume/recovery.ts';
import { readBlob } from '../volume/segment-source.ts';

type Found = (blobId: string) => void;

interface Store {
  readonly tables: Tables;
  readonly blobs: Blobs;
}

/** A checkpoint may be replaced while it is read; more often than this in a row it is damage. */
const attemptsMax = 5;
/** Checkpoints that the head may be made to name next. */
const serialsAhead = 3;

export function volumeReferrers(store: Store): Referrers {
  return {
    volume: (row, found) => ofHead(store, row.partition, found),
    'volume-pin': (row, found) => ofPin(store, row.partition, row.sort, found),
    'volume-pin-user': 'nothing',
    'volume-attach': 'nothing',
    'volume-boot': 'nothing',
    'volume-index': 'nothing',
    'volume-reader': 'nothing',
  };
}

async function ofHead(store: Store, volume: string, found: Found): Promise<void> {
  await settled(
    () => findHead(store.tables, volume),
    (head) => walkHead(store, head, found),
  );
}

async function ofPin(store: Store, volume: string, id: string, found: Found): Promise<void> {
  const findBoth = async () => {
    const [pin, head] = await Promise.all([
      findPin(store.tables, volume, id),
      findHead(store.tables, volume),
    ]);
    return pin && { pin, epoch: head?.epoch ?? 0 };
  };
  const walk = ({ pin, epoch }: { readonly pin: Pin; readonly epoch: number }) =>
    walkManifest(store, { volume, epoch, manifest: pin, found });
  await settled(findBoth, walk);
}

/** Walks the newest there is, and again when it was changed meanwhile; a failure counts only when nothing changed. */
async function settled<T>(
  find: () => Promise<T | undefined>,
  walk: (now: T) => Promise<void>,
): Promise<void> {
  let now = await find();
  for (let attempt = 1; now !== undefined; attempt++) {
    try {
      await walk(now);
      return;
    } catch (error) {
      const later = await find();
      if (attempt >= attemptsMax || JSON.stringify(later) === JSON.stringify(now)) throw error;
      now = later;
    }
  }
}

async function walkHead(store: Store, head: VolumeHead, found: Found): Promise<void> {
  const { id: volume, epoch } = head;
  const all: readonly Manifest[] = [head, ...(head.abandoned ?? []), ...(head.history ?? [])];
  const isGoing = head.state === 'deleting';
  for (const manifest of all)
    await walkManifest(store, { volume, epoch, manifest, found, isGoing });
  // Their segments are named by what came after them; the blobs themselves may be half gone.
  for (const retired of head.retired ?? []) nameParts(volume, retired, retired.parts, found);
  const { serial = 0, parts = 0 } = head.checkpoint ?? {};
  for (let ahead = serial; ahead <= serial + serialsAhead; ahead++)
    nameParts(volume, { epoch, serial: ahead }, 2 * parts + 64, found);
}

interface Walk {
  readonly volume: string;
  /** The newest of the volume's epochs. */
  readonly epoch: number;
  readonly manifest: Manifest;
  readonly found: Found;
  /** It is being deleted: its own checkpoints may be gone already. Pins name theirs themselves. */
  readonly isGoing?: boolean;
}

async function walkManifest(store: Store, walk: Walk): Promise<void> {
  const { checkpoint, tail } = walk.manifest;
  if (checkpoint !== undefined) await walkCheckpoint(store, walk, checkpoint);
  for (const run of tail) await walkRun(store, walk, run);
}

async function walkCheckpoint(store: Store, walk: Walk, ref: CheckpointRef): Promise<void> {
  const volumeId = ref.volume ?? walk.volume;
  const isGoing = walk.isGoing === true && ref.volume === undefined;
  const { epoch, serial } = ref;
  nameParts(volumeId, ref, ref.parts, walk.found);
  for (let part = 0; part < ref.parts; part++) {
    const id = checkpointBlobId(volumeId, ref, part);
    // A deletion that was cut off takes the parts last, and from the last on: what it left is for it to take.
    if (isGoing && (await store.blobs.stat(id)) === undefined) return;
    const source = await readBlob(store.blobs, id, checkpointPartBytesMax);
    for (const blobId of segmentBlobsOf(source, { volumeId, epoch, serial }, part))
      walk.found(blobId);
  }
}

function nameParts(
  volume: string,
  checkpoint: { readonly epoch: number; readonly serial: number },
  parts: number,
  found: Found,
): void {
  for (let part = 0; part < parts; part++) found(checkpointBlobId(volume, checkpoint, part));
}

/** An opening stores some segments again under its own epoch, so those up to the volume's newest count. */
async function walkRun(store: Store, { volume, epoch, found }: Walk, run: Run): Promise<void> {
  const writer = run.volume ?? volume;
  const lastEpoch = run.volume === undefined ? Math.max(run.epoch, epoch) : run.epoch;
  const end = run.end ?? (await lastStored(store, writer, run, lastEpoch)) + 1;
  for (let number = run.first; number < end + strayWindow; number++)
    for (let one = run.epoch; one <= lastEpoch; one++) {
      found(segmentBlobId(writer, number, one));
      await walkTail(store, { volume: writer, number, epoch: one, found });
    }
}

async function lastStored(
  { blobs }: Store,
  volume: string,
  run: Run,
  lastEpoch: number,
): Promise<number> {
  let last = run.first - 1;
  for (let number = run.first; number <= last + strayWindow; number++)
    for (let epoch = run.epoch; epoch <= lastEpoch; epoch++) {
      const isSegment = await blobs.stat(segmentBlobId(volume, number, epoch));
      const isTail = isSegment ?? (await blobs.stat(tailBlobId(volume, number, epoch, 0)));
      if (isTail !== undefined) last = number;
    }
  return last;
}

/** Batches of the write log, when the volume's log lies in the store. */
async function walkTail(
  { blobs }: Store,
  segment: {
    readonly volume: string;
    readonly number: number;
    readonly epoch: number;
    readonly found: Found;
  },
): Promise<void> {
  const { volume, number, epoch, found } = segment;
  for (let index = 0; ; index++) {
    const id = tailBlobId(volume, number, epoch, index);
    found(id);
    if ((await blobs.stat(id)) === undefined) return;
  }
}
