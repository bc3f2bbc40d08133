/** Fences: the lowest epoch that may still write, per scope. */
import { type BlobWriteOptions, type Fence, forgottenScope } from '#wire';
import { fenced } from '../failures.ts';
import type { IndexStore } from '../index/index-store.ts';
import { fenceKey } from '../index/keys.ts';
import type { LogPosition } from '../log/log.ts';
import { headBytesOf, padded, type RecordFields, recordTypes } from '../log/record.ts';
import type { Committer, Effect } from './committer.ts';
import type { Ledger } from './ledger.ts';

interface FenceState {
  readonly epoch: number;
  file: number;
  offset: number;
}

const nothing = Buffer.alloc(0);

function fieldsOf(scope: string, epoch: number): RecordFields {
  return {
    type: recordTypes.fence,
    flags: 0,
    hash: 0,
    table: '',
    partition: scope,
    sort: '',
    version: { timeUs: 0, coordinator: 0 },
    bytes: epoch,
    meta: nothing,
    body: [],
    bodyLength: 0,
  };
}

function lengthOf(scope: string): number {
  return padded(headBytesOf({ table: '', partition: scope, sort: '' }));
}

export class Fences {
  private readonly index: IndexStore;
  private readonly ledger: Ledger;
  private readonly pending = new Map<string, FenceChange>();
  private forgotten: number | undefined;

  constructor(index: IndexStore, ledger: Ledger) {
    this.index = index;
    this.ledger = ledger;
  }

  private current(scope: string): FenceState | undefined {
    return this.pending.get(scope)?.after ?? this.committed(scope);
  }

  private committed(scope: string): FenceState | undefined {
    const text = this.index.get(fenceKey(scope));
    if (text === undefined) return undefined;
    const [epoch = 0, file = 0, offset = 0] = text.split(' ').map(Number);
    return { epoch, file, offset };
  }

  /** Refuses a write of an older epoch; a fence on its way counts already. */
  check(options: BlobWriteOptions): void {
    if (options.fence === undefined) return;
    const inForce = this.current(options.fence.scope)?.epoch ?? 0;
    if (options.fence.epoch < inForce) throw fenced(options.fence, inForce);
  }

  async raise(fence: Fence, committer: Committer): Promise<number> {
    const current = this.current(fence.scope);
    if (current !== undefined && current.epoch >= fence.epoch) {
      await this.pending.get(fence.scope)?.done;
      return current.epoch;
    }
    await this.append(fence.scope, fence.epoch, committer);
    return fence.epoch;
  }

  private append(scope: string, epoch: number, committer: Committer): Promise<void> {
    const change = this.change(scope, epoch);
    change.done = committer.append(fieldsOf(scope, epoch), () => change);
    return change.done;
  }

  /** A change to `epoch`; for recovery, which has the record already. */
  change(scope: string, epoch: number): FenceChange {
    const before = this.current(scope);
    const change = new FenceChange(
      scope,
      before,
      { epoch, file: 0, offset: 0 },
      {
        pending: this.pending,
        ledger: this.ledger,
      },
    );
    this.pending.set(scope, change);
    // Should it be refused by the disk, what is held in memory is only stricter.
    if (scope === forgottenScope) this.forgotten = Math.max(epoch, this.forgotten ?? 0);
    return change;
  }

  /** The time of the newest tombstone that was forgotten, 0 for none; asked with every row that is new here. */
  get forgottenUs(): number {
    this.forgotten ??= this.current(forgottenScope)?.epoch ?? 0;
    return this.forgotten;
  }

  epochOf(scope: string): number {
    return this.current(scope)?.epoch ?? -1;
  }

  /** Copies a live record to the log's end. */
  copy(scope: string, place: LogPosition, committer: Committer): Promise<void> | undefined {
    const current = this.current(scope);
    if (current === undefined || current.file !== place.file || current.offset !== place.offset)
      return undefined;
    return this.append(scope, current.epoch, committer);
  }
}

interface FenceParts {
  readonly pending: Map<string, FenceChange>;
  readonly ledger: Ledger;
}

export class FenceChange implements Effect {
  private readonly scope: string;
  private readonly before: FenceState | undefined;
  readonly after: FenceState;
  private readonly parts: FenceParts;
  private readonly overtaken: FenceChange | undefined;
  private settled = false;
  done: Promise<void> | undefined;

  constructor(scope: string, before: FenceState | undefined, after: FenceState, parts: FenceParts) {
    this.scope = scope;
    this.before = before;
    this.after = after;
    this.parts = parts;
    this.overtaken = parts.pending.get(scope);
  }

  stage(batch: Map<string, string | undefined>, place: LogPosition): void {
    const { ledger } = this.parts;
    this.after.file = place.file;
    this.after.offset = place.offset;
    if (this.before !== undefined) ledger.dropLive(this.before.file, lengthOf(this.scope));
    ledger.addLive(place.file, lengthOf(this.scope));
    batch.set(fenceKey(this.scope), `${this.after.epoch} ${place.file} ${place.offset}`);
  }

  publish(): void {
    this.settled = true;
    if (this.parts.pending.get(this.scope) === this) this.parts.pending.delete(this.scope);
  }

  discard(): void {
    this.settled = true;
    if (this.parts.pending.get(this.scope) !== this) return;
    const { overtaken } = this;
    if (overtaken !== undefined && !overtaken.settled)
      this.parts.pending.set(this.scope, overtaken);
    else this.parts.pending.delete(this.scope);
  }
}
