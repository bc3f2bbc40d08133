/**
 * The files of the log: numbered, appended to at the last one (the tail), zero-filled ahead of the writing so that a
 * sync carries no metadata. Three promises:
 *
 * 1. A file is cut to its length and synced before its successor exists. So only the last file can end in a torn
 *    group; whatever is unreadable inside another was once whole and has gone bad.
 * 2. One group is written at a time, the next only after its sync.
 * 3. After a failed write the tail is cut back to the last good group, durably, before anything follows it.
 *
 * All files stay open: one descriptor per `fileBytes` of log.
 */

import { crc32c } from '@node-rs/crc32';
import { type Disk, type DiskFile, Failure, joinPath } from '#common';
import { parseHead, type RecordHead, recordAlignment } from './record.ts';

export const logHeaderBytes = 64;
const logMagic = 'PILEUSLG';
const logVersion = 1;
const scanChunkBytes = 1024 * 1024;

export interface LogFile {
  readonly number: number;
  readonly file: DiskFile;
  /** Where its records end. */
  end: number;
  /** Bytes on disk, zeroes ahead included. */
  size: number;
  /** Readers that need it open; a removed file is closed after the last one. */
  pins: number;
  removed: boolean;
}

export interface LogOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** 32 hexadecimal digits. */
  readonly deviceId: string;
  readonly fileBytes: number;
  readonly aheadBytes: number;
}

export interface LogPosition {
  readonly file: number;
  readonly offset: number;
}

const zeroes = Buffer.alloc(256 * 1024);

function nameOf(number: number): string {
  return `${String(number).padStart(8, '0')}.log`;
}

export class Log {
  private readonly options: LogOptions;
  private readonly files = new Map<number, LogFile>();
  private tail: LogFile | undefined;
  /** Set when bytes of unknown state may follow the tail's end. */
  private dirtyTail = false;
  private extending: Promise<void> | undefined;

  private constructor(options: LogOptions) {
    this.options = options;
  }

  static async open(options: LogOptions): Promise<Log> {
    const log = new Log(options);
    await options.disk.makeDirectory(options.folder);
    for (const entry of await options.disk.list(options.folder)) {
      if (/^\d{8}\.log$/.test(entry.name)) await log.adopt(Number.parseInt(entry.name, 10));
    }
    return log;
  }

  private async adopt(number: number): Promise<void> {
    const path = joinPath(this.options.folder, nameOf(number));
    const file = await this.options.disk.open(path, 'write');
    const size = await file.size();
    this.files.set(number, { number, file, end: size, size, pins: 0, removed: false });
  }

  /** File numbers, oldest first. */
  numbers(): number[] {
    return [...this.files.keys()].sort((a, b) => a - b);
  }

  find(number: number): LogFile | undefined {
    return this.files.get(number);
  }

  get tailNumber(): number {
    return this.tail?.number ?? 0;
  }

  get position(): LogPosition {
    return { file: this.tail?.number ?? 0, offset: this.tail?.end ?? 0 };
  }

  get sizeBytes(): number {
    let total = 0;
    for (const file of this.files.values()) total += file.size;
    return total;
  }

  /** After recovery: writing goes on at `end` of the last file. What lies behind it is cut off, durably. */
  async resume(end: number): Promise<void> {
    const last = this.files.get(this.numbers().at(-1) ?? 0);
    if (last === undefined) return;
    if (end < logHeaderBytes) {
      // It was never begun: its first group never returned from its sync.
      await this.remove(last.number);
      this.tail = this.files.get(this.numbers().at(-1) ?? 0);
      return;
    }
    this.tail = last;
    if (end !== last.size) {
      last.end = end;
      this.dirtyTail = true;
      await this.mendTail();
    }
  }

  /** Writes one group and syncs it; returns where it begins. On failure nothing of it will be found later. */
  async append(bytes: Buffer): Promise<LogPosition> {
    await this.mendTail();
    const tail = await this.tailFor(bytes.length);
    const offset = tail.end;
    this.dirtyTail = true;
    // Zeroes on their way must not land on the group.
    if (offset + bytes.length > tail.size) await this.extending;
    await tail.file.write([bytes], offset);
    await tail.file.sync();
    this.dirtyTail = false;
    tail.end = offset + bytes.length;
    tail.size = Math.max(tail.size, tail.end);
    this.extendSoon(tail);
    return { file: tail.number, offset };
  }

  private async mendTail(): Promise<void> {
    if (!this.dirtyTail || this.tail === undefined) return;
    await this.extending;
    await this.tail.file.truncate(this.tail.end);
    await this.tail.file.sync();
    this.tail.size = this.tail.end;
    this.dirtyTail = false;
  }

  private async tailFor(bytes: number): Promise<LogFile> {
    const tail = this.tail;
    const fits = tail !== undefined && tail.end + bytes <= this.options.fileBytes;
    // A group larger than a file gets one to itself.
    if (tail !== undefined && (fits || tail.end === logHeaderBytes)) return tail;
    if (tail !== undefined) await this.seal(tail);
    return this.begin((tail?.number ?? this.numbers().at(-1) ?? 0) + 1);
  }

  private async seal(tail: LogFile): Promise<void> {
    await this.extending;
    if (tail.size === tail.end) return;
    await tail.file.truncate(tail.end);
    await tail.file.sync();
    tail.size = tail.end;
  }

  private async begin(number: number): Promise<LogFile> {
    const { disk, folder } = this.options;
    const path = joinPath(folder, nameOf(number));
    // A leftover of an attempt that failed half way; it was never written to.
    await disk.remove(path);
    const file = await disk.open(path, 'create');
    try {
      await file.write([this.headerOf(number)], 0);
      await file.sync();
      await disk.syncDirectory(folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    const size = logHeaderBytes;
    const begun = { number, file, end: size, size, pins: 0, removed: false };
    this.files.set(number, begun);
    this.tail = begun;
    return begun;
  }

  private headerOf(number: number): Buffer {
    const header = Buffer.alloc(logHeaderBytes);
    header.write(logMagic, 0, 'latin1');
    header.writeUInt16LE(logVersion, 8);
    header.writeUInt16LE(logHeaderBytes, 10);
    header.writeUInt32LE(number, 12);
    header.write(this.options.deviceId, 16, 'hex');
    header.writeUInt32LE(crc32c(header.subarray(0, 60)), 60);
    return header;
  }

  /** Fills the next stretch with zeroes while the device does other things. */
  private extendSoon(tail: LogFile): void {
    const { aheadBytes, fileBytes } = this.options;
    const enough = tail.size - tail.end >= aheadBytes / 2 || tail.size >= fileBytes;
    if (aheadBytes === 0 || enough || this.extending !== undefined) return;
    const until = Math.min(tail.size + aheadBytes, fileBytes);
    // A disk that has no room for zeroes has none for the next group either, which will say so.
    this.extending = this.extend(tail, until)
      .catch(() => {})
      .finally(() => {
        this.extending = undefined;
      });
  }

  private async extend(tail: LogFile, until: number): Promise<void> {
    const chunks: Buffer[] = [];
    for (let at = tail.size; at < until; at += zeroes.length)
      chunks.push(zeroes.subarray(0, Math.min(zeroes.length, until - at)));
    await tail.file.write(chunks, tail.size);
    tail.size = until;
  }

  /** Keeps the file readable until `unpin`, even when it is removed meanwhile. */
  pin(number: number): LogFile | undefined {
    const file = this.files.get(number);
    if (file !== undefined) file.pins++;
    return file;
  }

  async unpin(file: LogFile): Promise<void> {
    file.pins--;
    if (file.removed && file.pins === 0) await file.file.close();
  }

  /** Unlinks a file, durably. */
  async remove(number: number): Promise<void> {
    const file = this.files.get(number);
    if (file === undefined) return;
    await this.options.disk.remove(file.file.path);
    await this.options.disk.syncDirectory(this.options.folder);
    this.files.delete(number);
    file.removed = true;
    if (file.pins === 0) await file.file.close();
  }

  async close(): Promise<void> {
    await this.extending;
    for (const file of this.files.values()) await file.file.close();
    this.files.clear();
    this.tail = undefined;
  }
}

/** What a walk over a file met: a record, or a stretch in which none can be read. */
export type Found =
  | {
      readonly kind: 'record';
      readonly offset: number;
      readonly head: RecordHead;
      /** The whole record; valid until the next step. Shorter than `head.length` at a torn end. */
      readonly bytes: Buffer;
    }
  | { readonly kind: 'gap'; readonly offset: number; readonly length: number };

/** Reads records from `from` to `end`, resynchronising on the next valid head after a bad stretch. */
export async function* walkLog(
  file: DiskFile,
  range: { readonly from: number; readonly end: number },
  seed: number,
): AsyncGenerator<Found> {
  const { from, end } = range;
  let window = Buffer.alloc(0);
  let windowAt = from;
  const load = async (at: number, bytes: number): Promise<void> => {
    const next = Buffer.allocUnsafe(Math.min(Math.max(bytes, scanChunkBytes), end - at));
    window = next.subarray(0, await file.read(next, at));
    windowAt = at;
  };
  let gapAt: number | undefined;
  for (let at = from; at < end; ) {
    // Room for the largest head, so that a head is never missed at a window's edge.
    if (at < windowAt || at + 4096 > windowAt + window.length) {
      if (windowAt + window.length < end || at < windowAt) await load(at, scanChunkBytes);
    }
    const head = parseHead(window, at - windowAt, seed);
    if (head === undefined) {
      gapAt ??= at;
      at = nextMagic(window, at + recordAlignment - windowAt) + windowAt;
      continue;
    }
    if (gapAt !== undefined) {
      yield { kind: 'gap', offset: gapAt, length: at - gapAt };
      gapAt = undefined;
    }
    if (at + head.length > windowAt + window.length && windowAt + window.length < end)
      await load(at, head.length);
    const start = at - windowAt;
    yield { kind: 'record', offset: at, head, bytes: window.subarray(start, start + head.length) };
    at += head.length;
  }
  if (gapAt !== undefined) yield { kind: 'gap', offset: gapAt, length: end - gapAt };
}

/** The next aligned place that begins like a record, or the window's end. */
function nextMagic(window: Buffer, from: number): number {
  let at = from;
  while (at + 4 <= window.length) {
    const found = window.indexOf('PLRC', at, 'latin1');
    if (found < 0) break;
    if (found % recordAlignment === 0) return found;
    at = found + 1;
  }
  return Math.max(from, window.length & ~(recordAlignment - 1));
}

export function checkLogHeader(header: Buffer, path: string): void {
  if (header.length < logHeaderBytes || header.toString('latin1', 0, 8) !== logMagic) return;
  const version = header.readUInt16LE(8);
  if (crc32c(header.subarray(0, 60)) === header.readUInt32LE(60) && version > logVersion) {
    throw new Failure('invalid', 'newer-format', 'The log was written by a newer version', {
      facts: { path, version, known: logVersion },
    });
  }
}
