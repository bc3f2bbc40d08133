/** The blob half of a device. */
import type { DiskFile, Gate, LentBuffers } from '#common';
import type { BlobInfo, BlobKey, BlobWriteOptions, BlobWriter } from '#wire';
import { blobHeaderBytes, encodeBlobHeader } from '../blobs/blob-file.ts';
import { blockBytes, blocksMatch, sumsOf } from '../blobs/block-sums.ts';
import type { FreeSlot, Slots } from '../blobs/slots.ts';
import { totalLength } from '../checks.ts';
import { blobCorrupt, blobExists, blobMissing } from '../failures.ts';
import { blobKeyOf, blobKeyText } from '../index/keys.ts';
import type { Log, LogPosition } from '../log/log.ts';
import { flagLost, type RecordFields, recordTypes } from '../log/record.ts';
import { type BlobState, encodeDescriptor, lengthOf } from './blob-state.ts';
import { type BlobSink, StreamedBlob } from './blob-writer.ts';
import type { Committer } from './committer.ts';
import type { Fences } from './fences.ts';
import type { Holdings } from './holdings.ts';

export interface BlobsOptions {
  readonly holdings: Holdings;
  readonly fences: Fences;
  readonly committer: Committer;
  readonly log: Log;
  readonly slots: Slots;
  /** Bounds what is asked of the file system at once. */
  readonly gate: Gate;
  /** What reads are read into. */
  readonly readBuffers: LentBuffers;
  /** From this length a blob gets a file of its own. */
  readonly ownFileBytesMin: number;
  readonly gatherBytes: number;
  /** Throws when the device takes no more. */
  readonly checkRoom: (bytes: number) => void;
}

const nothing = Buffer.alloc(0);

function fieldsOf(key: BlobKey, type: number, meta: Buffer, body: readonly Buffer[]): RecordFields {
  return {
    type,
    flags: 0,
    hash: key.hash,
    table: '',
    partition: key.id,
    sort: '',
    version: { timeUs: 0, coordinator: 0 },
    bytes: 0,
    meta,
    body,
    bodyLength: totalLength(body),
  };
}

/** A whole blob ready to be named: its sums, and its bytes or the slot they are in. */
export interface BlobContent {
  readonly length: number;
  readonly table: Buffer;
  readonly chunks: readonly Buffer[];
  readonly slot: FreeSlot | undefined;
}

export class Blobs implements BlobSink {
  private readonly options: BlobsOptions;

  constructor(options: BlobsOptions) {
    this.options = options;
  }

  async put(key: BlobKey, chunks: readonly Buffer[], options: BlobWriteOptions): Promise<void> {
    const { ownFileBytesMin, fences } = this.options;
    fences.check(options);
    const length = totalLength(chunks);
    const table = sumsOf(key.id, chunks);
    if (await this.isThere(key, length, table)) return;
    if (length < ownFileBytesMin) {
      await this.name(key, { length, table, chunks, slot: undefined }, options);
      return;
    }
    const slot = await this.takeSlot(length);
    try {
      await this.writeSlot(slot.slot, async (file) => {
        const header = encodeBlobHeader({ ...key, length, table });
        await file.write([header, ...chunks], 0);
        await file.sync();
      });
    } catch (error) {
      await this.returnSlot(slot);
      throw error;
    }
    await this.name(key, { length, table, chunks: [], slot }, options);
  }

  open(key: BlobKey, options: BlobWriteOptions): BlobWriter {
    this.options.fences.check(options);
    const { gatherBytes, ownFileBytesMin } = this.options;
    return new StreamedBlob(this, key, { options, gatherBytes, ownFileBytesMin });
  }

  /** True when the same content is there; throws when other content is. */
  private async isThere(key: BlobKey, length: number, table: Buffer): Promise<boolean> {
    const current = this.options.holdings.current(key);
    if (current === undefined || current.lost) return false;
    if (current.length !== length || !current.table.equals(table)) throw blobExists(key);
    await this.options.holdings.pending.get(blobKeyText(key))?.done;
    return true;
  }

  /** Has a log record name what was written; from here on the blob exists. */
  async name(key: BlobKey, content: BlobContent, options: BlobWriteOptions): Promise<void> {
    const { length, table, chunks, slot } = content;
    try {
      if (await this.isThere(key, length, table)) {
        if (slot !== undefined) await this.returnSlot(slot);
        return;
      }
      // No wait between this check and the append: a fence raised from now on comes after the blob.
      this.options.fences.check(options);
      this.options.committer.checkRoom();
    } catch (error) {
      if (slot !== undefined) await this.returnSlot(slot);
      throw error;
    }
    const type = slot === undefined ? recordTypes.blobInline : recordTypes.blobFile;
    const meta = encodeDescriptor(length, slot?.slot ?? 0, table);
    try {
      await this.append(key, fieldsOf(key, type, meta, chunks), { length, table, lost: false });
    } catch (error) {
      // The record may yet turn up when the log had it; the slot is not used again until a restart has looked.
      if (slot !== undefined && this.options.holdings.current(key)?.slot !== slot.slot)
        await this.returnSlot(slot);
      throw error;
    }
  }

  private append(
    key: BlobKey,
    fields: RecordFields,
    what: { readonly length: number; readonly table: Buffer; readonly lost: boolean },
  ): Promise<void> {
    const { committer, holdings } = this.options;
    const slot = fields.type === recordTypes.blobFile ? fields.meta.readUIntLE(8, 6) : 0;
    const flagged = what.lost ? { ...fields, flags: flagLost } : fields;
    const done = committer.append(flagged, (encoded) => {
      const bodyAt = encoded.headBytes + fields.meta.length;
      const record = { recordLength: encoded.length, bodyAt, file: 0, offset: 0 };
      return holdings.change(key, { ...what, slot, ...record }, encoded.length);
    });
    const change = holdings.pending.get(blobKeyText(key));
    if (change !== undefined) change.done = done;
    return done;
  }

  async takeSlot(length: number): Promise<FreeSlot> {
    this.options.checkRoom(length);
    return this.options.slots.take(blobHeaderBytes + length);
  }

  async returnSlot(slot: FreeSlot): Promise<void> {
    // Its size is not known any more, so it is not kept.
    await this.options.slots.release(slot, false);
  }

  async writeSlot(slot: number, work: (file: DiskFile) => Promise<void>): Promise<void> {
    const { gate, slots } = this.options;
    await gate.enter();
    try {
      await slots.use(slot, work);
    } finally {
      gate.leave();
    }
  }

  async read(key: BlobKey, offset: number, length: number): Promise<Buffer> {
    const state = this.options.holdings.committed(key);
    if (state === undefined) throw blobMissing(key);
    if (state.lost) throw blobCorrupt(key, 'checksum');
    const end = Math.min(offset + length, state.length);
    if (offset >= end) return nothing;
    const first = Math.floor(offset / blockBytes);
    const from = first * blockBytes;
    const until = Math.min(Math.ceil(end / blockBytes) * blockBytes, state.length);
    const { readBuffers } = this.options;
    const memory = readBuffers.take(until - from);
    const target = memory.subarray(0, until - from);
    const got = await this.fetch(state, target, from);
    if (got < target.length || !blocksMatch(state.table, first, target)) {
      this.markLost(key, state);
      throw blobCorrupt(key, 'checksum');
    }
    return readBuffers.lend(memory, offset - from, end - from);
  }

  private async fetch(state: BlobState, target: Buffer, from: number): Promise<number> {
    const { gate, log, slots } = this.options;
    if (state.slot !== 0) {
      // Taking hold of the file before any wait keeps it from being given to another blob meanwhile.
      return slots.use(state.slot, async (file) => {
        await gate.enter();
        try {
          return await file.read(target, blobHeaderBytes + from);
        } finally {
          gate.leave();
        }
      });
    }
    const file = log.pin(state.file);
    if (file === undefined) return 0;
    try {
      const at = state.offset + state.bodyAt + from;
      if (target.length <= blockBytes) return file.file.readNow(target, at);
      await gate.enter();
      try {
        return await file.file.read(target, at);
      } finally {
        gate.leave();
      }
    } finally {
      await log.unpin(file);
    }
  }

  /** The copy is corrupt until the blob is stored again or deleted. */
  markLost(key: BlobKey, state: BlobState): void {
    const { committer, holdings } = this.options;
    const current = holdings.current(key);
    if (current === undefined || current.lost) return;
    if (current.file !== state.file || current.offset !== state.offset) return;
    const change = holdings.change(key, { ...current, lost: true }, 0);
    change.done = committer.note(change);
    // The reader is told `corrupt` whether or not this could be noted.
    change.done.catch(() => {});
  }

  stat(key: BlobKey): BlobInfo | undefined {
    const state = this.options.holdings.committed(key);
    return state === undefined ? undefined : { id: key.id, hash: key.hash, length: state.length };
  }

  async delete(key: BlobKey): Promise<void> {
    const { committer, holdings } = this.options;
    const pending = holdings.pending.get(blobKeyText(key));
    if (holdings.current(key) === undefined) {
      await pending?.done;
      return;
    }
    await this.appendTombstone(key, committer);
  }

  private appendTombstone(key: BlobKey, committer: Committer): Promise<void> {
    const { holdings } = this.options;
    const fields = fieldsOf(key, recordTypes.blobDelete, nothing, []);
    const done = committer.append(fields, (encoded) =>
      holdings.change(key, undefined, encoded.length),
    );
    const change = holdings.pending.get(blobKeyText(key));
    if (change !== undefined) change.done = done;
    return done;
  }

  async list(after: BlobKey | undefined, limit: number): Promise<BlobInfo[]> {
    const page = await this.options.holdings.parts.index.scan({
      from: after === undefined ? 'b' : blobKeyText(after),
      afterFrom: after !== undefined,
      until: 'c',
      limit,
    });
    return page.entries.map(([name, text]) => ({ ...blobKeyOf(name), length: lengthOf(text) }));
  }

  /** Copies a live blob's record to the log's end. */
  copy(key: BlobKey, place: LogPosition, body: Buffer | undefined): Promise<void> | undefined {
    const current = this.options.holdings.current(key);
    if (current === undefined || current.file !== place.file || current.offset !== place.offset)
      return undefined;
    const { length, table, slot } = current;
    const lost = current.lost || (slot === 0 && body === undefined);
    const type = slot === 0 ? recordTypes.blobInline : recordTypes.blobFile;
    const chunks = slot === 0 ? [body ?? Buffer.alloc(length)] : [];
    const fields = fieldsOf(key, type, encodeDescriptor(length, slot, table), chunks);
    return this.append(key, fields, { length, table, lost });
  }

  /** Copies a tombstone that an older file may still need. */
  copyTombstone(key: BlobKey): Promise<void> | undefined {
    const { committer, holdings } = this.options;
    // A blob stored again since has a later record than any that this deletes.
    if (holdings.current(key) !== undefined) return undefined;
    return this.appendTombstone(key, committer);
  }
}
