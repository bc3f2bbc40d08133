/** A disk in memory on which syncing takes time, and whose bytes may rot. */
import {
  type Clock,
  type Disk,
  type DiskEntry,
  type DiskFile,
  Failure,
  MemoryDisk,
  type OpenMode,
  type Random,
} from '#common';

export class SlowDisk implements Disk {
  readonly inner: MemoryDisk;
  syncMs = 1;
  private readonly clock: Clock;

  constructor(clock: Clock, inner = new MemoryDisk()) {
    this.clock = clock;
    this.inner = inner;
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const file = await this.inner.open(path, mode);
    const sync = async () => {
      await this.clock.sleep(this.syncMs);
      await file.sync();
    };
    return { ...file, sync };
  }

  async syncDirectory(path: string): Promise<void> {
    await this.clock.sleep(this.syncMs);
    await this.inner.syncDirectory(path);
  }

  exists(path: string): Promise<boolean> {
    return this.inner.exists(path);
  }

  makeDirectory(path: string): Promise<void> {
    return this.inner.makeDirectory(path);
  }

  list(path: string): Promise<DiskEntry[]> {
    return this.inner.list(path);
  }

  rename(from: string, to: string): Promise<void> {
    return this.inner.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.inner.remove(path);
  }

  removeTree(path: string): Promise<void> {
    return this.inner.removeTree(path);
  }

  space() {
    return this.inner.space();
  }

  /** The power goes: whoever calls from now on is refused. Returns what is left, for the next life. */
  powerOff(random: Random): MemoryDisk {
    const left = this.inner.crash(random);
    this.inner.faults.before = (operation, path) => {
      throw new Failure('unreachable', 'disk-error', 'The power is off', {
        facts: { operation, path },
      });
    };
    return left;
  }

  /** Turns over one byte in one of the files below these folders, behind everybody's back. Returns which, if there was any. */
  async rot(folders: readonly string[], random: Random): Promise<string | undefined> {
    const files = (await Promise.all(folders.map((folder) => this.filesIn(folder)))).flat();
    const path = files[random.below(Math.max(1, files.length))];
    if (path === undefined) return undefined;
    const file = await this.inner.open(path, 'write');
    const size = await file.size();
    const at = random.below(Math.max(1, size));
    const byte = Buffer.alloc(1);
    if ((await file.read(byte, at)) === 0) return undefined;
    await file.write([Buffer.from([(byte.readUInt8(0) ^ (1 << random.below(8))) & 255])], at);
    return `${path} at ${at}`;
  }

  private async filesIn(folder: string): Promise<string[]> {
    if (!(await this.inner.exists(folder))) return [];
    const found: string[] = [];
    for (const { name, isDirectory } of await this.inner.list(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) found.push(...(await this.filesIn(path)));
      else found.push(path);
    }
    return found;
  }
}
