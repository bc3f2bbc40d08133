/**
 * A disk in memory that forgets as real ones do. `crash` gives the disk as it may look after a power loss:
 * what was synced is there; each later write may be there, torn at a sector, or lost, in any combination;
 * each name that was not synced in its directory may be there or not.
 */
import { dirname } from 'node:path';
import type { Disk, DiskEntry, DiskFile, OpenMode } from './disk.ts';
import { Failure } from './failure.ts';
import type { Random } from './random.ts';

const sectorBytes = 512;

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number };

/** A file's bytes apart from its name: what is on the platter, and what was done since the last sync. */
class Inode {
  durable = new Uint8Array(0);
  current = new Uint8Array(0);
  length = 0;
  durableLength = 0;
  changes: Change[] = [];

  apply(change: Change): void {
    if (change.kind === 'truncate') {
      this.grow(change.size);
      if (change.size < this.length) this.current.fill(0, change.size, this.length);
      this.length = change.size;
      return;
    }
    const end = change.position + change.bytes.length;
    this.grow(end);
    this.current.set(change.bytes, change.position);
    this.length = Math.max(this.length, end);
  }

  private grow(size: number): void {
    if (size <= this.current.length) return;
    const larger = new Uint8Array(Math.max(size, this.current.length * 2, 4096));
    larger.set(this.current.subarray(0, this.length));
    this.current = larger;
  }

  sync(): void {
    this.durable = this.current.slice(0, this.length);
    this.durableLength = this.length;
    this.changes = [];
  }

  afterCrash(random: Random): Inode {
    const survivor = new Inode();
    survivor.current = this.durable.slice();
    survivor.length = this.durableLength;
    for (const change of this.changes) {
      const fate = random.below(3);
      if (fate === 0) continue;
      if (fate === 1 || change.kind === 'truncate') survivor.apply(change);
      else
        survivor.apply({ ...change, bytes: change.bytes.subarray(0, tornLength(change, random)) });
    }
    survivor.sync();
    return survivor;
  }
}

function tornLength(change: Change & { kind: 'write' }, random: Random): number {
  const sectors =
    Math.ceil((change.position + change.bytes.length) / sectorBytes) -
    Math.floor(change.position / sectorBytes);
  const kept = random.below(sectors + 1);
  const end = (Math.floor(change.position / sectorBytes) + kept) * sectorBytes - change.position;
  return Math.max(0, Math.min(change.bytes.length, end));
}

/** Injected faults; change them at any time. */
export interface DiskFaults {
  /** Called before every operation; throw to make it fail. */
  before?: (operation: string, path: string) => void;
  /** Bytes the disk holds at most; beyond it writes fail with `disk-full`. */
  capacityBytes?: number;
}

type Names = Map<string, Inode | 'directory'>;

export class MemoryDisk implements Disk {
  readonly faults: DiskFaults = {};
  private names: Names = new Map([['/', 'directory']]);
  private durableNames: Names = new Map([['/', 'directory']]);

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    this.check('open', path);
    const found = this.names.get(path);
    if (mode === 'create') {
      if (found !== undefined)
        throw new Failure('conflict', 'file-exists', 'The file exists already', {
          facts: { path },
        });
      this.directoryOf(path);
      const inode = new Inode();
      this.names.set(path, inode);
      return this.fileOf(path, inode);
    }
    if (found === undefined || found === 'directory') throw missing(path);
    return this.fileOf(path, found);
  }

  private fileOf(path: string, inode: Inode): DiskFile {
    let open = true;
    const use = (operation: string): void => {
      if (!open)
        throw new Failure('closed', 'file-closed', 'The file was closed', { facts: { path } });
      this.check(operation, path);
    };
    const readNow = (target: Uint8Array, position: number): number => {
      use('read');
      const got = Math.max(0, Math.min(target.length, inode.length - position));
      target.set(inode.current.subarray(position, position + got));
      return got;
    };
    const change = (next: Change): void => {
      inode.apply(next);
      inode.changes.push(next);
    };
    return {
      path,
      readNow,
      read: async (target, position) => readNow(target, position),
      write: async (chunks, position) => {
        use('write');
        const bytes = Buffer.concat(chunks);
        this.claim(path, position + bytes.length - inode.length);
        change({ kind: 'write', position, bytes });
      },
      sync: async () => {
        use('sync');
        inode.sync();
      },
      truncate: async (size) => {
        use('truncate');
        change({ kind: 'truncate', size });
      },
      size: async () => inode.length,
      close: async () => {
        open = false;
      },
    };
  }

  async exists(path: string): Promise<boolean> {
    return this.names.has(path);
  }

  async makeDirectory(path: string): Promise<void> {
    this.check('makeDirectory', path);
    for (let at = path; at !== '/' && at !== '.'; at = dirname(at)) {
      if (this.names.get(at) instanceof Inode) throw missing(at);
      this.names.set(at, 'directory');
      this.durableNames.set(at, 'directory');
    }
  }

  async list(path: string): Promise<DiskEntry[]> {
    if (this.names.get(path) !== 'directory') throw missing(path);
    const entries: DiskEntry[] = [];
    for (const [name, what] of this.names) {
      if (name === path || dirname(name) !== path) continue;
      entries.push({
        name: name.slice(path === '/' ? 1 : path.length + 1),
        isDirectory: what === 'directory',
      });
    }
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async rename(from: string, to: string): Promise<void> {
    this.check('rename', from);
    const moved = this.names.get(from);
    if (moved === undefined) throw missing(from);
    this.directoryOf(to);
    this.names.delete(from);
    this.names.set(to, moved);
  }

  async remove(path: string): Promise<void> {
    this.check('remove', path);
    this.names.delete(path);
  }

  async removeTree(path: string): Promise<void> {
    this.check('removeTree', path);
    for (const name of [...this.names.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) this.names.delete(name);
    }
  }

  async syncDirectory(path: string): Promise<void> {
    this.check('syncDirectory', path);
    for (const name of [...this.durableNames.keys()]) {
      if (name !== '/' && dirname(name) === path && !this.names.has(name))
        this.durableNames.delete(name);
    }
    for (const [name, what] of this.names)
      if (dirname(name) === path) this.durableNames.set(name, what);
  }

  async space(): Promise<{ totalBytes: number; freeBytes: number }> {
    const totalBytes = this.faults.capacityBytes ?? 2 ** 40;
    return { totalBytes, freeBytes: Math.max(0, totalBytes - this.usedBytes()) };
  }

  /** The disk as it may be found after a power loss now. Open files of this one are dead with it. */
  crash(random: Random): MemoryDisk {
    const after = new MemoryDisk();
    const survivors = new Map<Inode, Inode>();
    const names = new Set([...this.durableNames.keys(), ...this.names.keys()]);
    for (const name of [...names].sort()) {
      const durable = this.durableNames.get(name);
      const current = this.names.get(name);
      const kept = durable === current || random.below(2) === 0 ? durable : current;
      if (kept === undefined) continue;
      const survivor =
        kept === 'directory' ? kept : (survivors.get(kept) ?? kept.afterCrash(random));
      if (kept !== 'directory' && survivor !== 'directory') survivors.set(kept, survivor);
      after.names.set(name, survivor);
    }
    after.durableNames = new Map(after.names);
    return after;
  }

  private usedBytes(): number {
    let total = 0;
    for (const what of this.names.values()) if (what !== 'directory') total += what.length;
    return total;
  }

  private claim(path: string, growth: number): void {
    const capacity = this.faults.capacityBytes;
    if (capacity === undefined || growth <= 0 || this.usedBytes() + growth <= capacity) return;
    throw new Failure('busy', 'disk-full', 'The disk is full', { facts: { path } });
  }

  private check(operation: string, path: string): void {
    this.faults.before?.(operation, path);
  }

  private directoryOf(path: string): void {
    if (this.names.get(dirname(path)) !== 'directory') throw missing(dirname(path));
  }
}

function missing(path: string): Failure {
  return new Failure('missing', 'file-missing', 'There is no such file or directory', {
    facts: { path },
  });
}
