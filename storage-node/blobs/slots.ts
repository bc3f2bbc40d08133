/**
 * Files for large blobs. A slot is a file whose name was made durable before it is used, several at a time, and that
 * is used again after its blob was deleted: then neither a directory nor block allocation is part of a write's sync.
 * The log says which slot holds which blob; a slot that no blob names is free, whatever lies in it.
 */
import { type Disk, type DiskFile, isFailure, joinPath } from '#common';

export interface SlotsOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** Freed slots kept for use again, and their bytes. */
  readonly freeMax: number;
  readonly freeBytesMax: number;
  /** Slots made ready at once. */
  readonly batch: number;
  /** Descriptors kept open. */
  readonly openMax: number;
}

export interface FreeSlot {
  readonly slot: number;
  readonly bytes: number;
}

interface OpenSlot {
  readonly slot: number;
  readonly opening: Promise<DiskFile>;
  pins: number;
  /** Release it once the last reader is done. */
  onIdle: (() => Promise<void>) | undefined;
}

const slotsPerFolder = 1024;

export class Slots {
  private readonly options: SlotsOptions;
  private readonly free: FreeSlot[] = [];
  private readonly opened = new Map<number, OpenSlot>();
  private readonly folders = new Set<string>();
  private nextSlot: number;
  private making: Promise<void> | undefined;
  freeBytes = 0;

  constructor(
    options: SlotsOptions,
    start: { readonly nextSlot: number; readonly free: readonly FreeSlot[] },
  ) {
    this.options = options;
    this.nextSlot = start.nextSlot;
    for (const slot of start.free) this.addFree(slot);
  }

  /** For a clean close. */
  get rest(): { nextSlot: number; free: readonly FreeSlot[] } {
    return { nextSlot: this.nextSlot, free: this.free };
  }

  private addFree(slot: FreeSlot): void {
    this.free.push(slot);
    this.freeBytes += slot.bytes;
  }

  /** A slot of one's own for `bytes`; give it back or have a log record name it. */
  async take(bytes: number): Promise<FreeSlot> {
    for (;;) {
      const found = this.pick(bytes);
      if (found !== undefined) return found;
      this.making ??= this.make().finally(() => {
        this.making = undefined;
      });
      await this.making;
    }
  }

  private pick(bytes: number): FreeSlot | undefined {
    let best = -1;
    for (const [at, slot] of this.free.entries()) {
      // Used before and about as large, or never used.
      if (slot.bytes > 0 && (slot.bytes < bytes || slot.bytes > bytes * 1.25)) continue;
      if (best < 0 || slot.bytes > (this.free[best]?.bytes ?? 0)) best = at;
    }
    const [slot] = best < 0 ? [] : this.free.splice(best, 1);
    if (slot !== undefined) this.freeBytes -= slot.bytes;
    return slot;
  }

  private async make(): Promise<void> {
    const { disk, batch } = this.options;
    const made: number[] = [];
    const folders = new Set<string>();
    for (let i = 0; i < batch; i++) {
      const slot = this.nextSlot++;
      const folder = this.folderOf(slot);
      if (!this.folders.has(folder)) await disk.makeDirectory(folder);
      this.folders.add(folder);
      folders.add(folder);
      await this.createEmpty(slot);
      made.push(slot);
    }
    for (const folder of folders) await disk.syncDirectory(folder);
    for (const slot of made) this.addFree({ slot, bytes: 0 });
  }

  private async createEmpty(slot: number): Promise<void> {
    try {
      const file = await this.options.disk.open(this.pathOf(slot), 'create');
      // It is written to next, so it stays open, as far as there may be open ones.
      const opening = Promise.resolve(file);
      this.opened.set(slot, { slot, opening, pins: 0, onIdle: undefined });
      await this.trim();
    } catch (error) {
      // Made before a crash and named by nothing since.
      if (!isFailure(error, 'conflict')) throw error;
    }
  }

  /** The slot's blob is gone: keep the file for another, or remove it. */
  async release(slot: FreeSlot, keep: boolean): Promise<void> {
    const open = this.opened.get(slot.slot);
    if (open !== undefined && open.pins > 0) {
      open.onIdle = () => this.release(slot, keep);
      return;
    }
    const { freeMax, freeBytesMax } = this.options;
    const room = this.free.length < freeMax && this.freeBytes + slot.bytes <= freeBytesMax;
    if (keep && room) this.addFree(slot);
    else await this.unlink(slot.slot);
  }

  /** Removes the files of free slots: room is short. */
  async shed(): Promise<void> {
    const shed = this.free.splice(0);
    this.freeBytes = 0;
    for (const slot of shed) await this.unlink(slot.slot);
  }

  private async unlink(slot: number): Promise<void> {
    const open = this.opened.get(slot);
    this.opened.delete(slot);
    await this.options.disk.remove(this.pathOf(slot));
    if (open !== undefined) await (await open.opening).close();
  }

  /** Runs `work` with the slot's file open. */
  async use<T>(slot: number, work: (file: DiskFile) => Promise<T>): Promise<T> {
    const open = this.pinned(slot);
    try {
      return await work(await open.opening);
    } finally {
      await this.unpin(open);
    }
  }

  private pinned(slot: number): OpenSlot {
    let open = this.opened.get(slot);
    if (open === undefined) {
      const opening = this.options.disk.open(this.pathOf(slot), 'write');
      // One that could not be had is asked for again next time.
      opening.catch(() => this.opened.delete(slot));
      open = { slot, opening, pins: 0, onIdle: undefined };
    } else this.opened.delete(slot);
    this.opened.set(slot, open);
    open.pins++;
    return open;
  }

  private async unpin(open: OpenSlot): Promise<void> {
    open.pins--;
    if (open.pins > 0) return;
    const { onIdle } = open;
    open.onIdle = undefined;
    if (onIdle !== undefined) await onIdle();
    await this.trim();
  }

  private async trim(): Promise<void> {
    for (const [slot, open] of this.opened) {
      if (this.opened.size <= this.options.openMax) return;
      if (open.pins > 0) continue;
      this.opened.delete(slot);
      await (await open.opening).close();
    }
  }

  private folderOf(slot: number): string {
    const number = Math.floor(slot / slotsPerFolder);
    return joinPath(this.options.folder, String(number).padStart(6, '0'));
  }

  pathOf(slot: number): string {
    return joinPath(this.folderOf(slot), `${String(slot).padStart(10, '0')}.blob`);
  }

  async close(): Promise<void> {
    await this.making?.catch(() => {});
    for (const open of this.opened.values()) await (await open.opening).close();
    this.opened.clear();
  }
}

/** Every slot file there is, for a start without a clean close. */
export async function listSlots(disk: Disk, folder: string): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  await disk.makeDirectory(folder);
  for (const group of await disk.list(folder)) {
    if (!group.isDirectory) continue;
    const inside = joinPath(folder, group.name);
    for (const entry of await disk.list(inside)) {
      if (/^\d{10}\.blob$/.test(entry.name))
        found.set(Number.parseInt(entry.name, 10), joinPath(inside, entry.name));
    }
  }
  return found;
}
