/** The row half of a device: registers decided, written, read and scanned. */
import { afterPrefix, isFailure } from '#common';
import type {
  AcceptOutcome,
  Aggregate,
  PrepareOutcome,
  Row,
  RowKey,
  RowWrite,
  ScanPage,
  ScanRequest,
  Version,
} from '#wire';
import { scanBytesMax } from '../checks.ts';
import { aggregateOf, emptySums } from '../digest.ts';
import { rowCorrupt } from '../failures.ts';
import type { IndexRange } from '../index/index-store.ts';
import { aggregateKey, partitionPrefix, rowKeyText } from '../index/keys.ts';
import type { Log } from '../log/log.ts';
import {
  flagDeleted,
  flagLost,
  flagMetaLost,
  headBytesOf,
  matches,
  padded,
  type RecordFields,
  recordTypes,
} from '../log/record.ts';
import { decideAccept, decidePrepare, forgottenInTheWay, type RegisterState } from '../register.ts';
import type { Committer } from './committer.ts';
import type { Fences } from './fences.ts';
import { decodeSums, type NamedKey, type Register, type Registers } from './registers.ts';
import { type RowState, rowOf } from './row-state.ts';
import { ScannedPage } from './scanned-page.ts';

export interface RowsOptions {
  readonly registers: Registers;
  readonly committer: Committer;
  readonly log: Log;
  readonly fences: Fences;
  /** Bodies up to this are kept with their cached rows. */
  readonly cachedBodyBytesMax: number;
}

const nothing = Buffer.alloc(0);
const noBody: readonly Buffer[] = [];

function named(key: RowKey): NamedKey {
  return { key, name: rowKeyText(key) };
}

export class Rows {
  private readonly options: RowsOptions;
  private readonly registers: Registers;

  constructor(options: RowsOptions) {
    this.options = options;
    this.registers = options.registers;
  }

  async accept(write: RowWrite): Promise<AcceptOutcome> {
    const at = named(write.key);
    const before = this.registers.current(at);
    const pending = this.registers.pending.get(at.name);
    const state = { accepted: before.row?.version, promised: before.promise?.ballot };
    const by = write.copied === true ? undefined : this.forgottenBefore(state, write.version);
    if (by !== undefined) return { outcome: 'superseded', by };
    const decision = decideAccept(state, write.version);
    if (decision.decision === 'superseded') {
      // Whether the newer one gets through or not, this one was refused; but say so only of what is durable.
      await pending?.done;
      return { outcome: 'superseded', by: decision.by };
    }
    const previous = this.previousOf(at, before.row);
    if (decision.decision === 'repeated' && before.row?.lost !== true) await pending?.done;
    else await this.write(at, write, decision.decision === 'repeated' ? before.promise : undefined);
    return { outcome: 'ok', previous };
  }

  private forgottenBefore(state: RegisterState, version: Version): Version | undefined {
    return forgottenInTheWay(state, version, this.options.fences.forgottenUs);
  }

  private previousOf(at: NamedKey, row: RowState | undefined): Row | undefined {
    if (row === undefined) return undefined;
    if (row.meta !== undefined) return rowOf(at.key.sort, row, row.meta);
    try {
      return row.lost ? undefined : rowOf(at.key.sort, row, this.metaFromLog(at, row));
    } catch (error) {
      // Of a copy that went bad there is nothing to tell, and it must not keep its own repair out.
      if (isFailure(error, 'corrupt')) return undefined;
      throw error;
    }
  }

  private write(at: NamedKey, write: RowWrite, promise: Register['promise']): Promise<void> {
    const { key, version, deleted, bytes } = write;
    // One copy for cache and later readers: the caller's buffers may be slices of something large.
    const kept = Buffer.allocUnsafe(write.meta.length + write.body.length);
    kept.set(write.meta, 0);
    kept.set(write.body, write.meta.length);
    const meta = kept.subarray(0, write.meta.length);
    const body = kept.subarray(write.meta.length);
    const fields: RecordFields = {
      type: recordTypes.accept,
      flags: deleted ? flagDeleted : 0,
      hash: key.hash,
      table: key.table,
      partition: key.partition,
      sort: key.sort,
      version,
      bytes,
      meta,
      body: [body],
      bodyLength: body.length,
    };
    return this.append(at, fields, (encoded) => ({
      row: {
        version,
        deleted,
        bytes,
        metaLength: meta.length,
        metaCrc: encoded.metaCrc,
        bodyLength: body.length,
        bodyCrc: encoded.bodyCrc,
        headBytes: encoded.headBytes,
        lost: false,
        meta,
        body: body.length <= this.options.cachedBodyBytesMax ? body : undefined,
        file: 0,
        offset: 0,
      },
      promise,
    }));
  }

  private append(
    at: NamedKey,
    fields: RecordFields,
    afterOf: (encoded: { headBytes: number; metaCrc: number; bodyCrc: number }) => Register,
  ): Promise<void> {
    const done = this.options.committer.append(fields, (encoded) => {
      const part = fields.type === recordTypes.promise ? 'promise' : 'row';
      return this.registers.change(at, afterOf(encoded), part);
    });
    const change = this.registers.pending.get(at.name);
    if (change !== undefined) change.done = done;
    return done;
  }

  async prepare(key: RowKey, ballot: Version): Promise<PrepareOutcome> {
    const at = named(key);
    const before = this.registers.current(at);
    const pending = this.registers.pending.get(at.name);
    if (before.row?.lost === true) throw rowCorrupt(key, 'checksum');
    const state = { accepted: before.row?.version, promised: before.promise?.ballot };
    const by = this.forgottenBefore(state, ballot) ?? decidePrepare(state, ballot);
    if (by !== undefined) {
      await pending?.done;
      return { outcome: 'superseded', by };
    }
    const done = this.writePromise(at, ballot, before.row);
    await done;
    if (before.row === undefined) return { outcome: 'promised', row: undefined };
    return { outcome: 'promised', row: this.withBody(at, before.row) };
  }

  private writePromise(at: NamedKey, ballot: Version, row: RowState | undefined): Promise<void> {
    const { hash, table, partition, sort } = at.key;
    const name = { hash, table, partition, sort };
    const rest = { version: ballot, bytes: 0, meta: nothing, body: noBody, bodyLength: 0 };
    const fields = { type: recordTypes.promise, flags: 0, ...name, ...rest };
    const length = padded(headBytesOf(at.key));
    return this.append(at, fields, () => ({
      row,
      promise: { ballot, length, file: 0, offset: 0 },
    }));
  }

  async read(key: RowKey, body: boolean): Promise<Row | undefined> {
    const at = named(key);
    const row = this.registers.committedRow(at);
    if (row === undefined) return undefined;
    if (row.lost) throw rowCorrupt(key, 'checksum');
    if (body) return this.withBody(at, row);
    return rowOf(key.sort, row, row.meta ?? this.metaFromLog(at, row));
  }

  private withBody(at: NamedKey, row: RowState): Row {
    const plain = rowOf(at.key.sort, row, row.meta ?? this.metaFromLog(at, row));
    if (row.bodyLength === 0) return { ...plain, body: nothing };
    return { ...plain, body: row.body ?? this.bodyFromLog(at, row) };
  }

  private bodyFromLog(at: NamedKey, row: RowState): Buffer {
    const body = this.fromLog(at, row, 'body');
    if (!matches(body, row.bodyCrc)) this.condemn(at, row);
    if (body.length <= this.options.cachedBodyBytesMax) {
      const { cache } = this.registers.parts;
      if (cache.get(at.name) === row) cache.set(at.name, { ...row, body });
    }
    return body;
  }

  private metaFromLog(at: NamedKey, row: RowState): Buffer {
    const meta = this.fromLog(at, row, 'meta');
    if (!matches(meta, row.metaCrc)) this.condemn(at, row);
    return meta;
  }

  private fromLog(at: NamedKey, row: RowState, part: 'meta' | 'body'): Buffer {
    // Compaction may have moved the record since the row was looked up.
    const moved = this.options.log.find(row.file) === undefined;
    const place = moved ? (this.registers.committedRow(at) ?? row) : row;
    const file = this.options.log.find(place.file)?.file;
    if (file === undefined) return nothing;
    const target = Buffer.allocUnsafe(part === 'meta' ? row.metaLength : row.bodyLength);
    const skip = part === 'meta' ? row.headBytes : row.headBytes + row.metaLength;
    return target.subarray(0, file.readNow(target, place.offset + skip));
  }

  /** Marks the copy corrupt, in the index as well, and says so. */
  private condemn(at: NamedKey, row: RowState): never {
    const { pending } = this.registers;
    if (pending.get(at.name) === undefined) this.markLost(at, row);
    throw rowCorrupt(at.key, 'checksum');
  }

  /** The copy is corrupt until a write replaces it. */
  markLost(at: NamedKey, row: RowState): void {
    const current = this.registers.current(at);
    if (current.row?.file !== row.file || current.row.offset !== row.offset) return;
    const lost = { ...current.row, lost: true, body: undefined };
    const change = this.registers.change(at, { row: lost, promise: current.promise }, 'none');
    change.done = this.options.committer.note(change);
    // The caller is told `corrupt` whether or not this could be noted.
    change.done.catch(() => {});
  }

  /** Reads the record from the log, past the cache; false when it has gone bad, which is then noted. */
  async verify(key: RowKey, row: RowState): Promise<boolean> {
    const at = named(key);
    const file = this.options.log.pin(row.file);
    // Compaction, which checks what it copies, has moved it since.
    if (file === undefined) return true;
    try {
      const stored = Buffer.allocUnsafe(row.metaLength + row.bodyLength);
      const got = await file.file.read(stored, row.offset + row.headBytes);
      const meta = stored.subarray(0, row.metaLength);
      const good =
        got === stored.length &&
        matches(meta, row.metaCrc) &&
        matches(stored.subarray(row.metaLength), row.bodyCrc);
      if (!good && this.registers.pending.get(at.name) === undefined) this.markLost(at, row);
      return good;
    } finally {
      await this.options.log.unpin(file);
    }
  }

  async scan(request: ScanRequest): Promise<ScanPage> {
    const { table, partition, hash } = request;
    const prefix = partitionPrefix(table, partition, hash);
    const range = rangeOf(prefix, request);
    const page = new ScannedPage(request.limit, prefix, (sort, row) => {
      return this.rowBehind({ table, partition, hash, sort }, row);
    });
    const found = await this.registers.parts.index.scan(range, aggregateKey(prefix), (entries) =>
      page.take(entries),
    );
    const sums = found.beside === undefined ? emptySums() : decodeSums(found.beside);
    return { rows: page.rows, more: found.cut || page.full, aggregate: aggregateOf(sums) };
  }

  /** A scanned row whose meta lies in the log, or whose entry is bad. */
  private rowBehind(key: RowKey, row: RowState | undefined): Row {
    if (row === undefined) {
      this.registers.parts.onIndexDamage();
      throw rowCorrupt(key, 'index-entry');
    }
    if (row.lost) throw rowCorrupt(key, 'checksum');
    return rowOf(key.sort, row, this.metaFromLog(named(key), row));
  }

  async aggregate(table: string, partition: string, hash: number): Promise<Aggregate> {
    return aggregateOf(this.registers.aggregate(partitionPrefix(table, partition, hash)));
  }

  /** Copies a live row's record to the log's end; true when it was live. */
  copy(
    key: RowKey,
    place: { readonly file: number; readonly offset: number },
    content: { readonly meta: Buffer | undefined; readonly body: Buffer | undefined },
  ): Promise<void> | undefined {
    const at = named(key);
    const { row, promise } = this.registers.current(at);
    if (row === undefined || row.file !== place.file || row.offset !== place.offset)
      return undefined;
    const lost = row.lost || content.meta === undefined || content.body === undefined;
    const meta = content.meta ?? row.meta;
    const written = meta ?? Buffer.alloc(row.metaLength);
    const body = content.body ?? Buffer.alloc(row.bodyLength);
    const lostFlags = (lost ? flagLost : 0) | (meta === undefined ? flagMetaLost : 0);
    const fields: RecordFields = {
      type: recordTypes.accept,
      flags: (row.deleted ? flagDeleted : 0) | lostFlags,
      ...{ hash: key.hash, table: key.table, partition: key.partition, sort: key.sort },
      ...{ version: row.version, bytes: row.bytes, meta: written, body: [body] },
      bodyLength: body.length,
    };
    return this.append(at, fields, (encoded) => ({
      row: {
        ...row,
        headBytes: encoded.headBytes,
        metaCrc: encoded.metaCrc,
        bodyCrc: encoded.bodyCrc,
        lost,
        file: 0,
        offset: 0,
      },
      promise,
    }));
  }

  /** The same for a row wherever it is. */
  copyAgain(at: NamedKey, row: RowState): Promise<void> | undefined {
    const read = (part: 'meta' | 'body', crc: number) => {
      const bytes = this.fromLog(at, row, part);
      return matches(bytes, crc) ? bytes : undefined;
    };
    const content = { meta: read('meta', row.metaCrc), body: read('body', row.bodyCrc) };
    return this.copy(at.key, { file: row.file, offset: row.offset }, content);
  }

  /** The same for a promise. */
  copyPromise(
    key: RowKey,
    place: { readonly file: number; readonly offset: number },
  ): Promise<void> | undefined {
    const at = named(key);
    const { row, promise } = this.registers.current(at);
    if (promise === undefined || promise.file !== place.file || promise.offset !== place.offset)
      return undefined;
    return this.writePromise(at, promise.ballot, row);
  }
}

function rangeOf(prefix: string, request: ScanRequest): IndexRange {
  const { from, until, inclusive = false, reverse = false, limit } = request;
  const end = afterPrefix(prefix) ?? prefix;
  // One more than asked for tells whether more follows.
  const bounds = { limit: limit + 1, bytesMax: scanBytesMax, reverse };
  if (reverse) {
    return {
      from: prefix + (until ?? ''),
      afterFrom: until !== undefined,
      until: from === undefined ? end : prefix + from,
      throughUntil: from !== undefined && inclusive,
      ...bounds,
    };
  }
  return {
    from: prefix + (from ?? ''),
    afterFrom: from !== undefined && !inclusive,
    until: until === undefined ? end : prefix + until,
    ...bounds,
  };
}
