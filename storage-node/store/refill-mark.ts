/**
 * The mark of a device that was put in place empty: a file beside `device.json`, written before it, gone once the device holds
 * again what it should.
 */
import { type Disk, joinPath, replaceWhole } from '#common';
import { refilling } from '../failures.ts';

const fileName = 'refilling';

export class RefillMark {
  private readonly disk: Disk;
  private readonly folder: string;
  private readonly path: string;
  active: boolean;

  private constructor(disk: Disk, folder: string, active: boolean) {
    this.disk = disk;
    this.folder = folder;
    this.path = joinPath(folder, fileName);
    this.active = active;
  }

  /** `replaced`: an empty folder stands in the place of one that was filled. */
  static async open(disk: Disk, folder: string, replaced: boolean): Promise<RefillMark> {
    const path = joinPath(folder, fileName);
    const isNew = !(await disk.exists(joinPath(folder, 'device.json')));
    if (isNew && replaced) {
      const text =
        'This device was put in place empty. It answers no reader until it is refilled.\n';
      await replaceWhole(disk, path, Buffer.from(text));
    }
    return new RefillMark(disk, folder, await disk.exists(path));
  }

  /** For questions whose answer may have been forgotten. */
  check(): void {
    if (this.active) throw refilling();
  }

  async end(): Promise<void> {
    if (!this.active) return;
    await this.disk.remove(this.path);
    // Come back with a power loss, it would make one more device that cannot say what it holds.
    await this.disk.syncDirectory(this.folder);
    this.active = false;
  }
}
