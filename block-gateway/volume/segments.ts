/** The segments that a volume's extents point to. A slot is a segment's place in this table and its name in the map. */
import { assert } from './assert.ts';
import type { LineCipher } from './line-cipher.ts';
import { sectorBytes } from './units.ts';

/** What a segment is before anything is known of its content. */
export interface SegmentName {
  readonly number: number;
  readonly epoch: number;
  readonly blobId: string;
  /** The volume that wrote it, when it is another one; only that one may delete its blob. */
  readonly owner?: string | undefined;
  /** Plain bytes of a blob that is no segment (an image's), `headerBytes` from its beginning. Never ours to delete. */
  readonly raw?: boolean;
  /** What its data is sealed with. */
  readonly cipher?: LineCipher | undefined;
}

export interface Segment extends SegmentName {
  readonly slot: number;
  /** Length of the blob's header; 0 until the segment is sealed. */
  headerBytes: number;
  dataBytes: number;
  liveSectors: number;
  /** The border between two segments at which it was seen to have no live data; 0 while it has. */
  death: number;
  /** On a majority of storage nodes. */
  durable: boolean;
  /** Its data lies in memory only and in nobody's hands: what is written there anew may take the place of the old. */
  absorbs: boolean;
  /** The data in memory: always while the segment is not durable, and afterwards until somebody needs the buffer. */
  buffer: Buffer | undefined;
  /** Reads from the store that still need the blob. */
  readers: number;
  /** The segment's number in the read cache. */
  readonly cacheId: number;
}

/** Gives every blob a small number for the cache; volumes that share a segment get the same one. */
export class CacheIds {
  private readonly known = new Map<string, { readonly id: number; holders: number }>();
  private free: number[] = [];
  private next = 0;

  acquire(blobId: string): number {
    const found = this.known.get(blobId);
    if (found !== undefined) {
      found.holders++;
      return found.id;
    }
    const id = this.free.pop() ?? this.next++;
    this.known.set(blobId, { id, holders: 1 });
    return id;
  }

  /** Tells `dropped` when nobody holds the id any more; only then may it be given to another blob. */
  release(blobId: string, dropped: (id: number) => void): void {
    const found = this.known.get(blobId);
    assert(found !== undefined, 'a cache id that is released was acquired');
    found.holders--;
    if (found.holders > 0) return;
    this.known.delete(blobId);
    dropped(found.id);
    this.free.push(found.id);
  }
}

export class SegmentTable {
  private readonly slots: (Segment | undefined)[] = [];
  private free: number[] = [];
  private readonly cacheIds: CacheIds;
  liveSectors = 0;
  dataSectors = 0;

  constructor(cacheIds: CacheIds) {
    this.cacheIds = cacheIds;
  }

  get count(): number {
    return this.slots.length - this.free.length;
  }

  get(slot: number): Segment {
    const segment = this.slots[slot];
    assert(segment !== undefined, 'an extent points to a segment of the table');
    return segment;
  }

  add(named: SegmentName): Segment {
    const slot = this.free.pop() ?? this.slots.length;
    return this.addAt(slot, named);
  }

  /** At a slot that a checkpoint names; `headerBytes` when they are known. */
  addAt(slot: number, named: SegmentName, headerBytes = 0): Segment {
    assert(this.slots[slot] === undefined, 'a slot holds one segment');
    while (this.slots.length < slot) {
      this.free.push(this.slots.length);
      this.slots.push(undefined);
    }
    const segment: Segment = {
      ...named,
      slot,
      headerBytes,
      dataBytes: 0,
      liveSectors: 0,
      death: 0,
      durable: false,
      absorbs: false,
      buffer: undefined,
      readers: 0,
      cacheId: this.cacheIds.acquire(cacheName({ ...named, headerBytes })),
    };
    this.slots[slot] = segment;
    return segment;
  }

  /** Takes over what another table knows of a segment, as one without live data. */
  adopt(other: Segment, death: number): Segment {
    const segment = this.add(other);
    segment.headerBytes = other.headerBytes;
    segment.dataBytes = other.dataBytes;
    segment.durable = true;
    segment.death = death;
    this.dataSectors += segment.dataBytes / sectorBytes;
    return segment;
  }

  remove(segment: Segment, dropped: (cacheId: number) => void): void {
    assert(segment.liveSectors === 0, 'a segment that goes away has no live data');
    this.slots[segment.slot] = undefined;
    this.free.push(segment.slot);
    this.dataSectors -= segment.dataBytes / sectorBytes;
    this.cacheIds.release(cacheName(segment), dropped);
  }

  /** Gives back every cache id. */
  clear(dropped: (cacheId: number) => void): void {
    for (const segment of this.all()) this.cacheIds.release(cacheName(segment), dropped);
    this.slots.length = 0;
    this.free = [];
  }

  *all(): Iterable<Segment> {
    for (const segment of this.slots) if (segment !== undefined) yield segment;
  }
}

/** What the cache knows a segment by: several raw ones may lie in one blob. */
function cacheName(segment: SegmentName & { readonly headerBytes: number }): string {
  return segment.raw === true ? `${segment.blobId}+${segment.headerBytes}` : segment.blobId;
}
