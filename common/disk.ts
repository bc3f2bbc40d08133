/**
 * The disk as a component. Only this file creates, flushes, renames and removes; everything that promises
 * durability says so here: bytes are safe after `DiskFile.sync`, names after `Disk.syncDirectory`.
 */

import * as fs from 'node:fs';
import { promises } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure, systemCodeOf } from './failure.ts';

export type OpenMode =
  /** The file must exist; reading only. */
  | 'read'
  /** The file must exist; reading and writing. */
  | 'write'
  /** The file must not exist; reading and writing. */
  | 'create';

/** An open file. Offsets and sizes in bytes. Concurrent calls are allowed; overlapping writes are not ordered. */
export interface DiskFile {
  readonly path: string;
  /** Writes all chunks one after another from `position`. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
  /** Fills `target` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** The same, blocking: three times cheaper when the bytes are in the page cache, a stall when they are not. */
  readNow(target: Uint8Array, position: number): number;
  /** fdatasync: after it, every write that had returned survives a power loss. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface DiskEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

export interface DiskSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  exists(path: string): Promise<boolean>;
  /** Creates the directory and its parents; existing ones are fine. */
  makeDirectory(path: string): Promise<void>;
  /** The entries of a directory, by name; `missing` when there is none. */
  list(path: string): Promise<DiskEntry[]>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; a missing one is fine. */
  remove(path: string): Promise<void>;
  /** Removes a directory with all that is in it; a missing one is fine. */
  removeTree(path: string): Promise<void>;
  /** Makes creations, renames and removals in this directory survive a power loss. */
  syncDirectory(path: string): Promise<void>;
  space(path: string): Promise<DiskSpace>;
}

/** Reads a small file whole; `invalid` when it is larger than `bytesMax`. */
export async function readWhole(disk: Disk, path: string, bytesMax: number): Promise<Buffer> {
  const file = await disk.open(path, 'read');
  try {
    const size = await file.size();
    if (size > bytesMax) {
      throw new Failure('invalid', 'file-too-large', 'The file is larger than allowed', {
        facts: { path, size, bytesMax },
      });
    }
    const whole = Buffer.alloc(size);
    const got = await file.read(whole, 0);
    return whole.subarray(0, got);
  } finally {
    await file.close();
  }
}

/** Replaces a small file so that after a crash either the old or the new content is there, never a mixture. */
export async function replaceWhole(disk: Disk, path: string, content: Uint8Array): Promise<void> {
  const draft = `${path}.new`;
  await disk.remove(draft);
  const file = await disk.open(draft, 'create');
  try {
    await file.write([content], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(draft, path);
  await disk.syncDirectory(dirname(path));
}

/** Turns an operating system error into a Failure whose kind says what to do. */
export function diskFailure(error: unknown, path: string): Failure {
  if (error instanceof Failure) return error;
  const systemCode = systemCodeOf(error);
  const options = { facts: { path, system: systemCode }, cause: error };
  switch (systemCode) {
    case 'ENOENT':
      return new Failure('missing', 'file-missing', 'There is no such file or directory', options);
    case 'EEXIST':
      return new Failure('conflict', 'file-exists', 'The file exists already', options);
    case 'ENOSPC':
    case 'EDQUOT':
      return new Failure('busy', 'disk-full', 'The disk is full', options);
    case 'EROFS':
      return new Failure('busy', 'disk-read-only', 'The disk is read-only', options);
    case 'EACCES':
    case 'EPERM':
      return new Failure('denied', 'file-denied', 'The file may not be used', options);
    case 'EMFILE':
    case 'ENFILE':
      return new Failure('busy', 'too-many-open-files', 'Too many files are open', options);
    case 'EBADF':
      return new Failure('closed', 'file-closed', 'The file was closed', options);
    default:
      return new Failure('unreachable', 'disk-error', 'The disk failed', options);
  }
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskFailure(error, path);
  }
}

const flagsOf: Readonly<Record<OpenMode, string>> = { read: 'r', write: 'r+', create: 'wx+' };

class SystemFile implements DiskFile {
  readonly path: string;
  private readonly handle: FileHandle;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    try {
      let pending: readonly Uint8Array[] = chunks;
      let at = position;
      while (pending.length > 0) {
        // The kernel takes at most IOV_MAX (1,024) pieces a call, and may take fewer bytes than offered.
        const { bytesWritten } = await this.handle.writev(pending.slice(0, 1024), at);
        at += bytesWritten;
        pending = withoutFirst(pending, bytesWritten);
      }
    } catch (error) {
      throw diskFailure(error, this.path);
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    try {
      let filled = 0;
      while (filled < target.length) {
        const { bytesRead } = await this.handle.read(
          target,
          filled,
          target.length - filled,
          position + filled,
        );
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled;
    } catch (error) {
      throw diskFailure(error, this.path);
    }
  }

  readNow(target: Uint8Array, position: number): number {
    try {
      let filled = 0;
      while (filled < target.length) {
        const got = fs.readSync(
          this.handle.fd,
          target,
          filled,
          target.length - filled,
          position + filled,
        );
        if (got === 0) break;
        filled += got;
      }
      return filled;
    } catch (error) {
      throw diskFailure(error, this.path);
    }
  }

  sync(): Promise<void> {
    return guarded(this.path, () => this.handle.datasync());
  }

  truncate(size: number): Promise<void> {
    return guarded(this.path, () => this.handle.truncate(size));
  }

  size(): Promise<number> {
    return guarded(this.path, async () => (await this.handle.stat()).size);
  }

  close(): Promise<void> {
    return guarded(this.path, () => this.handle.close());
  }
}

function withoutFirst(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (left >= chunk.length) left -= chunk.length;
    else {
      rest.push(left > 0 ? chunk.subarray(left) : chunk);
      left = 0;
    }
  }
  return rest;
}

export const systemDisk: Disk = {
  open: (path, mode) =>
    guarded(path, async () => new SystemFile(path, await openHandle(path, flagsOf[mode], 0o600))),

  async exists(path) {
    try {
      await promises.access(path);
      return true;
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return false;
      throw diskFailure(error, path);
    }
  },

  makeDirectory: (path) =>
    guarded(path, async () => {
      // Each level that is new must be named durably by its parent.
      const first = await promises.mkdir(path, { recursive: true, mode: 0o700 });
      if (first === undefined) return;
      for (let at = path; at.length >= first.length; at = dirname(at))
        await systemDisk.syncDirectory(dirname(at));
    }),

  list: (path) =>
    guarded(path, async () => {
      const entries = await promises.readdir(path, { withFileTypes: true });
      const named = entries.map((entry) => ({
        name: entry.name,
        isDirectory: entry.isDirectory(),
      }));
      return named.sort((a, b) => (a.name < b.name ? -1 : 1));
    }),

  rename: (from, to) => guarded(from, () => promises.rename(from, to)),
  remove: (path) => guarded(path, () => promises.rm(path, { force: true })),
  removeTree: (path) => guarded(path, () => promises.rm(path, { force: true, recursive: true })),

  syncDirectory: (path) =>
    guarded(path, async () => {
      const handle = await openHandle(path, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }),

  space: (path) =>
    guarded(path, async () => {
      const stats = await promises.statfs(path);
      return { totalBytes: stats.blocks * stats.bsize, freeBytes: stats.bavail * stats.bsize };
    }),
};

/** Joins path parts; here so that rooms need no path library for the one thing they do with paths. */
export const joinPath: (...parts: string[]) => string = join;
