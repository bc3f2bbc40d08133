/**
 * The write-log files of a gateway: a folder of files of one size, zero-filled when made so that a later write and sync of them change
 * no file-system metadata, each lent to one segment at a time. After a crash a file is kept for the volume its first batch names.
 */
import type { Disk, DiskFile, Logger } from '#common';
import { Failure, isFailure, joinPath } from '#common';
import { type LogLabel, peekLabel } from './log-format.ts';
import { pageBytes } from './units.ts';

export interface LogFilesOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly fileBytes: number;
  readonly filesMax: number;
  readonly log: Logger;
}

export interface LogFile {
  readonly file: DiskFile;
  /** What was found in it at start. */
  label: LogLabel | undefined;
}

const namePattern = /^log-\d{5}$/;
const zeros = Buffer.alloc(1024 * 1024);

export class LogFiles {
  private readonly options: LogFilesOptions;
  private free: LogFile[] = [];
  private readonly claimed = new Set<LogFile>();
  private all: LogFile[] = [];
  private nextName = 1;
  private making: Promise<void> | undefined;
  private closed = false;

  private constructor(options: LogFilesOptions) {
    this.options = options;
  }

  /** Opens the folder, creating it when it is not there. */
  static async open(options: LogFilesOptions): Promise<LogFiles> {
    const files = new LogFiles(options);
    await options.disk.makeDirectory(options.folder);
    for (const entry of await options.disk.list(options.folder)) {
      if (namePattern.test(entry.name)) await files.adopt(entry.name);
    }
    return files;
  }

  get fileBytes(): number {
    return this.options.fileBytes;
  }

  get count(): number {
    return this.all.length;
  }

  /** The files that hold batches of this volume since before the start, by segment number. */
  claimsOf(volumeHex: string): LogFile[] {
    const claims = [...this.claimed].filter((file) => file.label?.volume === volumeHex);
    return claims.sort((a, b) => (a.label?.number ?? 0) - (b.label?.number ?? 0));
  }

  /** The volumes whose batches were found at start and not released yet. */
  claimants(): ReadonlySet<string> {
    return new Set([...this.claimed].flatMap((file) => file.label?.volume ?? []));
  }

  async read(file: LogFile): Promise<Buffer> {
    const whole = Buffer.alloc(Math.min(await file.file.size(), this.options.fileBytes));
    const got = await file.file.read(whole, 0);
    return whole.subarray(0, got);
  }

  /** A file to write to; undefined when there is none to be had. */
  async acquire(): Promise<LogFile | undefined> {
    if (this.free.length === 0) await this.make();
    const file = this.free.pop();
    // The next one is made while this one is in use: making one takes as long as writing it full.
    if (this.free.length === 0) void this.make();
    return file;
  }

  release(file: LogFile): void {
    this.claimed.delete(file);
    file.label = undefined;
    if (!this.closed) this.free.push(file);
  }

  /** The file holds batches that the next opening of their volume will want. */
  claim(file: LogFile, label: LogLabel): void {
    file.label = label;
    this.claimed.add(file);
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.making;
    for (const file of this.all) await file.file.close();
    this.all = [];
    this.free = [];
  }

  private make(): Promise<void> {
    this.making ??= this.makeOne().finally(() => {
      this.making = undefined;
    });
    return this.making;
  }

  private async makeOne(): Promise<void> {
    if (this.closed || this.all.length >= this.options.filesMax) return;
    const { disk, folder, fileBytes, log } = this.options;
    const name = `log-${String(this.nextName++).padStart(5, '0')}`;
    const path = joinPath(folder, name);
    try {
      const file = await disk.open(path, 'create');
      this.all.push({ file, label: undefined });
      for (let at = 0; at < fileBytes; at += zeros.length)
        await file.write([zeros.subarray(0, Math.min(zeros.length, fileBytes - at))], at);
      await file.sync();
      await disk.syncDirectory(folder);
    } catch (error) {
      if (!isFailure(error)) throw error;
      // FLUSH falls back on the store, so a gateway with a full disk is slower and nothing worse.
      log.warn({ err: error, path }, 'no write-log file could be made');
      await this.abandon(path);
      return;
    }
    const made = this.all.find((other) => other.file.path === path);
    if (made !== undefined) this.free.push(made);
  }

  private async abandon(path: string): Promise<void> {
    const half = this.all.find((other) => other.file.path === path);
    this.all = this.all.filter((other) => other !== half);
    try {
      await half?.file.close();
      await this.options.disk.remove(path);
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.options.log.warn({ err: error, path }, 'a half-made write-log file stays behind');
    }
  }

  private async adopt(name: string): Promise<void> {
    const { disk, folder } = this.options;
    const path = joinPath(folder, name);
    const file = await disk.open(path, 'write');
    const first = Buffer.alloc(pageBytes);
    const got = await file.read(first, 0);
    const label = got < pageBytes ? undefined : peekLabel(first);
    this.nextName = Math.max(this.nextName, Number(name.slice(4)) + 1);
    if (this.nextName > 99_999) {
      throw new Failure('invalid', 'log-folder-full', 'The write-log folder has too many names', {
        facts: { folder },
      });
    }
    const known: LogFile = { file, label };
    this.all.push(known);
    if (label === undefined) this.free.push(known);
    else this.claimed.add(known);
  }
}
