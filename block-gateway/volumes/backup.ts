/**
 * Backing a snapshot up: what changed since the parent's snapshot goes to the store in objects of up to 8 MiB; the manifest is written last, so
 * that a backup without one was cut off. An attempt with the same id writes the same names again.
 */
import { Failure } from '#common';
import { Ciphers } from '../volume/ciphers.ts';
import type { EngineContext } from '../volume/context.ts';
import { dataEntry, EntryList, entriesMax, zeroEntry } from '../volume/entries.ts';
import type { VolumeHead } from '../volume/head.ts';
import type { Pin } from '../volume/pin-rows.ts';
import type { ReadOnlyVolume } from '../volume/read-only-volume.ts';
import { sectorBytes } from '../volume/units.ts';
import {
  backupDataBytesMax,
  encodeBackupObject,
  encodeManifest,
  manifestName,
  objectName,
} from './backup-format.ts';
import type { BackupRecord, BackupRequest } from './backup-types.ts';
import { type ChangedRange, changedRanges } from './changed-ranges.ts';
import type { OpenPoint } from './service.ts';

export interface BackupSource {
  readonly context: EngineContext;
  readonly head: VolumeHead;
  readonly open: (snapshot: string) => Promise<OpenPoint>;
}

/** The snapshot whole, or what changed since the parent's. */
export async function backUp(source: BackupSource, request: BackupRequest): Promise<BackupRecord> {
  const { head, open } = source;
  const { parent, snapshot } = request;
  if (parent !== undefined && parent.volume !== head.id)
    throw new Failure('invalid', 'bad-backup', 'The parent is a backup of another volume');
  const now = await open(snapshot);
  try {
    if (parent === undefined) return await shipPoint(source, request, now);
    const before = await open(parent.snapshot);
    try {
      return await shipPoint(source, request, now, before);
    } finally {
      await before.release();
    }
  } finally {
    await now.release();
  }
}

async function shipPoint(
  source: BackupSource,
  request: BackupRequest,
  now: OpenPoint,
  before?: OpenPoint,
): Promise<BackupRecord> {
  const { context, head } = source;
  const { blobs, keys, clock } = context;
  const parts = { blobs, volumeId: head.id, now: now.volume, before: before?.volume };
  const ranges = changedRanges(parts);
  const ciphers = await Ciphers.open(keys, head.encryption);
  const { pin, volume: point } = now;
  return await ship({ request, head, pin, point, ciphers, ranges, nowUs: clock.nowUs() });
}

interface Shipping {
  readonly request: BackupRequest;
  readonly head: VolumeHead;
  readonly pin: Pin;
  readonly point: ReadOnlyVolume;
  readonly ciphers: Ciphers;
  readonly ranges: AsyncIterable<ChangedRange>;
  readonly nowUs: number;
}

const pieceBytes = 1024 * 1024;

async function ship(parts: Shipping): Promise<BackupRecord> {
  const { request, head, pin, nowUs } = parts;
  const shipment = new Shipment(parts);
  for await (const range of parts.ranges) {
    if (request.signal?.aborted === true)
      throw new Failure('closed', 'backup-cancelled', 'The backup was cancelled');
    await shipment.add(range);
  }
  await shipment.send();
  const { objects, changedBytes, shippedBytes } = shipment;
  const manifest = encodeManifest({
    volume: head.id,
    sizeBytes: pin.sizeBytes,
    createdUs: nowUs,
    objects,
    dataBytes: changedBytes,
    ...(head.encryption === undefined ? {} : { encryption: head.encryption }),
  });
  await request.store.put(manifestName(request.prefix), [manifest]);
  const { parent } = request;
  return {
    id: request.id,
    volume: head.id,
    snapshot: pin.id,
    sizeBytes: pin.sizeBytes,
    createdUs: nowUs,
    prefix: request.prefix,
    chain: parent === undefined ? [] : [...parent.chain, parent.prefix],
    objects,
    changedBytes,
    shippedBytes: shippedBytes + manifest.length,
  };
}

class Shipment {
  private readonly parts: Shipping;
  private entries = new EntryList();
  private data: Buffer | undefined;
  private used = 0;
  objects = 0;
  changedBytes = 0;
  shippedBytes = 0;

  constructor(parts: Shipping) {
    this.parts = parts;
  }

  async add(range: ChangedRange): Promise<void> {
    const { offset, length, hole } = range;
    if (hole) {
      if (this.entries.count >= entriesMax) await this.send();
      this.entries.add(offset / sectorBytes, length / sectorBytes, zeroEntry);
      return;
    }
    for (let done = 0; done < length; ) {
      const room = backupDataBytesMax - this.used;
      if (room === 0 || this.entries.count >= entriesMax) {
        await this.send();
        continue;
      }
      const bytes = Math.min(length - done, room, pieceBytes);
      this.data ??= Buffer.allocUnsafeSlow(backupDataBytesMax);
      await this.parts.point.read(offset + done, bytes, this.data, this.used);
      this.entries.add((offset + done) / sectorBytes, bytes / sectorBytes, dataEntry);
      this.used += bytes;
      done += bytes;
    }
  }

  async send(): Promise<void> {
    const { entries, parts } = this;
    if (entries.count === 0) return;
    const { request, head, ciphers } = parts;
    const number = ++this.objects;
    const data = this.data?.subarray(0, this.used) ?? Buffer.alloc(0);
    const object = { volume: head.id, number, entries, data };
    const chunks = encodeBackupObject(object, ciphers.of(head.id));
    await request.store.put(objectName(request.prefix, number), chunks);
    this.changedBytes += this.used;
    this.shippedBytes += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.entries = new EntryList();
    // A store may still hold what it was given.
    this.data = undefined;
    this.used = 0;
    request.onProgress?.({ doneBytes: this.changedBytes, totalBytes: parts.point.liveBytes });
  }
}
