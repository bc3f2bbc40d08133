/** Blobs between log, index and cache: what is there, and what is on its way. The blob counterpart of `Registers`. */
import type { BlobKey } from '#wire';
import { blobHeaderBytes } from '../blobs/blob-file.ts';
import { blobCorrupt } from '../failures.ts';
import type { IndexStore } from '../index/index-store.ts';
import { blobKeyText, quarantineKey } from '../index/keys.ts';
import type { LogPosition } from '../log/log.ts';
import { type BlobState, decodeBlobState, encodeBlobState } from './blob-state.ts';
import type { Effect } from './committer.ts';
import type { Ledger } from './ledger.ts';

export interface HoldingsParts {
  readonly index: IndexStore;
  readonly ledger: Ledger;
  readonly onIndexDamage: () => void;
  /** The blob in this slot is gone, durably. */
  readonly onSlotFreed: (slot: number, bytes: number) => void;
  readonly cacheMax: number;
}

export function fileBytesOf(state: BlobState): number {
  return state.slot === 0 ? 0 : blobHeaderBytes + state.length;
}

export class Holdings {
  readonly parts: HoldingsParts;
  readonly pending = new Map<string, BlobChange>();
  private readonly cache = new Map<string, BlobState>();

  constructor(parts: HoldingsParts) {
    this.parts = parts;
  }

  committed(key: BlobKey, name = blobKeyText(key)): BlobState | undefined {
    const cached = this.cache.get(name);
    if (cached !== undefined) return cached;
    const text = this.parts.index.get(name);
    if (text === undefined) return undefined;
    const state = decodeBlobState(name, text);
    if (state === undefined) {
      this.parts.onIndexDamage();
      throw blobCorrupt(key, 'index-entry');
    }
    this.remember(name, state);
    return state;
  }

  current(key: BlobKey): BlobState | undefined {
    const name = blobKeyText(key);
    const pending = this.pending.get(name);
    return pending === undefined ? this.committed(key, name) : pending.after;
  }

  change(key: BlobKey, after: BlobState | undefined, recordLength: number): BlobChange {
    const before = this.current(key);
    const change = new BlobChange(this, blobKeyText(key), { before, after, recordLength });
    this.pending.set(blobKeyText(key), change);
    return change;
  }

  /** Oldest entries go first; a table of a 64 MiB blob is 4 KiB. */
  remember(name: string, state: BlobState | undefined): void {
    this.cache.delete(name);
    if (state === undefined) return;
    this.cache.set(name, state);
    if (this.cache.size <= this.parts.cacheMax) return;
    const [oldest] = this.cache.keys();
    if (oldest !== undefined) this.cache.delete(oldest);
  }
}

interface Step {
  readonly before: BlobState | undefined;
  readonly after: BlobState | undefined;
  /** Of the record that makes the change; 0 for a change of the index alone. */
  readonly recordLength: number;
}

export class BlobChange implements Effect {
  private readonly holdings: Holdings;
  private readonly name: string;
  private readonly step: Step;
  private readonly overtaken: BlobChange | undefined;
  private settled = false;
  done: Promise<void> | undefined;

  constructor(holdings: Holdings, name: string, step: Step) {
    this.holdings = holdings;
    this.name = name;
    this.step = step;
    this.overtaken = holdings.pending.get(name);
  }

  get after(): BlobState | undefined {
    return this.step.after;
  }

  stage(batch: Map<string, string | undefined>, place: LogPosition): void {
    const { before, after, recordLength } = this.step;
    const { ledger } = this.holdings.parts;
    if (after !== undefined && recordLength > 0) {
      after.file = place.file;
      after.offset = place.offset;
    }
    if (before !== undefined) ledger.dropLive(before.file, before.recordLength);
    if (after !== undefined) ledger.addLive(after.file, after.recordLength);
    else {
      ledger.addLive(place.file, recordLength);
      ledger.statsOf(place.file).tombstones += recordLength;
    }
    const { counters } = ledger;
    counters.blobs += Number(after !== undefined) - Number(before !== undefined);
    counters.blobFileBytes += (after ? fileBytesOf(after) : 0) - (before ? fileBytesOf(before) : 0);
    batch.set(this.name, after === undefined ? undefined : encodeBlobState(this.name, after));
    const lost = Number(after?.lost === true) - Number(before?.lost === true);
    if (lost === 0) return;
    counters.quarantined += lost;
    batch.set(quarantineKey(this.name), lost > 0 ? 'blob' : undefined);
  }

  publish(): void {
    const { before, after } = this.step;
    this.holdings.remember(this.name, after);
    this.settled = true;
    if (this.holdings.pending.get(this.name) === this) this.holdings.pending.delete(this.name);
    if (before !== undefined && before.slot !== 0 && before.slot !== after?.slot)
      this.holdings.parts.onSlotFreed(before.slot, fileBytesOf(before));
  }

  discard(): void {
    this.settled = true;
    if (this.holdings.pending.get(this.name) !== this) return;
    const { overtaken } = this;
    if (overtaken !== undefined && !overtaken.settled)
      this.holdings.pending.set(this.name, overtaken);
    else this.holdings.pending.delete(this.name);
  }
}
