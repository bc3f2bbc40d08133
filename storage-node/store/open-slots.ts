/** Which blob files are free: from a clean close, or by looking at all files and all blobs. */
import type { Disk } from '#common';
import { type FreeSlot, listSlots, Slots, type SlotsOptions } from '../blobs/slots.ts';
import type { IndexStore } from '../index/index-store.ts';
import { decodeBlobState } from './blob-state.ts';

export function writeClean(slots: Slots): string {
  return JSON.stringify(slots.rest);
}

function readClean(text: string): { nextSlot: number; free: FreeSlot[] } | undefined {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  if (!('nextSlot' in parsed) || !('free' in parsed)) return undefined;
  const { nextSlot, free } = parsed;
  if (!Number.isSafeInteger(nextSlot) || typeof nextSlot !== 'number' || !Array.isArray(free))
    return undefined;
  const slots = free.map((one: { slot: unknown; bytes: unknown }) => ({
    slot: Number(one.slot),
    bytes: Number(one.bytes),
  }));
  return { nextSlot, free: slots };
}

export async function openSlots(
  options: SlotsOptions,
  index: IndexStore,
  clean: string | undefined,
): Promise<Slots> {
  const rest = clean === undefined ? undefined : readClean(clean);
  if (rest !== undefined) return new Slots(options, rest);
  const files = await listSlots(options.disk, options.folder);
  let nextSlot = 1;
  for (const slot of files.keys()) nextSlot = Math.max(nextSlot, slot + 1);
  for (const slot of await usedSlots(index)) {
    files.delete(slot);
    nextSlot = Math.max(nextSlot, slot + 1);
  }
  return new Slots(options, { nextSlot, free: await freeOf(options, files) });
}

async function usedSlots(index: IndexStore): Promise<Set<number>> {
  const used = new Set<number>();
  for (let from = 'b'; ; ) {
    const range = { from, afterFrom: true, until: 'c', limit: 1000 };
    const { entries } = await index.scan(range);
    for (const [name, text] of entries) {
      const slot = decodeBlobState(name, text)?.slot ?? 0;
      if (slot !== 0) used.add(slot);
      from = name;
    }
    if (entries.length === 0) return used;
  }
}

/** Keeps as many as are worth keeping and removes the other files. */
async function freeOf(options: SlotsOptions, files: Map<number, string>): Promise<FreeSlot[]> {
  const free: FreeSlot[] = [];
  let bytes = 0;
  for (const [slot, path] of files) {
    const size = await sizeOf(options.disk, path);
    if (free.length < options.freeMax && bytes + size <= options.freeBytesMax) {
      free.push({ slot, bytes: size });
      bytes += size;
    } else await options.disk.remove(path);
  }
  return free;
}

async function sizeOf(disk: Disk, path: string): Promise<number> {
  const file = await disk.open(path, 'read');
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}
