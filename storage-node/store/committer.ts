/**
 * The one way in which anything changes on a device. Changes that arrive together form a group:
 *
 * 1. each change is decided, encoded into the group's buffer and becomes visible to later decisions (`pending`);
 * 2. the group is written to the log and synced: from here on it cannot be lost;
 * 3. its effects go to the index in one batch, not synced, with the log position they reach;
 * 4. its changes become visible to readers and its callers are answered.
 *
 * The next group goes only after that. When 2 fails, the group and all behind it are refused and forgotten, since
 * they were decided upon it. When 3 fails, the batch is kept and goes first next time: the log has it already.
 */
import { Failure, isFailure } from '#common';
import type { IndexStore } from '../index/index-store.ts';
import { chainKey } from '../index/keys.ts';
import type { Log, LogPosition } from '../log/log.ts';
import { type Encoded, encodeRecord, lengthBound, type RecordFields } from '../log/record.ts';
import { type Ledger, writeLink } from './ledger.ts';

/** What a change does once its record is in the log. */
export interface Effect {
  /** Puts its entries into the batch; `place` is where its record is. Called in log order. */
  stage(batch: Map<string, string | undefined>, place: LogPosition): void;
  /** The batch is in the index. */
  publish(): void;
  /** The group could not be written. */
  discard(): void;
}

export interface CommitterOptions {
  readonly log: Log;
  readonly index: IndexStore;
  readonly ledger: Ledger;
  readonly seed: number;
  /** Bytes of one group; a larger record gets one to itself. */
  readonly groupBytesMax: number;
  /** Bytes that may wait behind the group in flight. */
  readonly waitingBytesMax: number;
  /** The numbers at which the log and the chain of batches go on. */
  readonly nextGroup: number;
  readonly nextBatch: number;
  /** Told of each failure and success of the disk. */
  readonly onOutcome: (failure: Failure | undefined) => void;
}

export interface Replayed {
  readonly effect: Effect;
  readonly place: LogPosition;
}

interface Member {
  readonly effect: Effect;
  /** Place of the record in the group. */
  readonly at: number;
}

class Group {
  readonly number: number;
  buffer: Buffer;
  used = 0;
  records = 0;
  readonly members: Member[] = [];
  readonly done: Promise<void>;
  resolve: () => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor(number: number, buffer: Buffer) {
    this.number = number;
    this.buffer = buffer;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Each member's caller awaits it; a group of notes alone may have none.
    this.done.catch(() => {});
  }
}

const firstBufferBytes = 256 * 1024;

interface Unapplied {
  readonly batch: ReadonlyMap<string, string | undefined>;
  readonly members: readonly Member[];
}

export class Committer {
  private readonly options: CommitterOptions;
  private waiting: Group[] = [];
  private waitingBytes = 0;
  private running: Promise<void> | undefined;
  private nextGroup: number;
  private nextBatch: number;
  private spare: Buffer[] = [];
  private unapplied: Unapplied | undefined;
  private closed = false;
  /** Log bytes since the last checkpoint. */
  sinceCheckpointBytes = 0;

  constructor(options: CommitterOptions) {
    this.options = options;
    this.nextGroup = options.nextGroup;
    this.nextBatch = options.nextBatch;
  }

  /** The number of the last batch that is in the index. */
  get lastBatch(): number {
    return this.nextBatch - 1;
  }

  /** Throws when too much waits; to be asked before a change is decided. */
  checkRoom(): void {
    if (this.closed) throw new Failure('closed', 'device-closed', 'The device was closed');
    if (this.waitingBytes > this.options.waitingBytesMax) {
      const facts = { waitingBytes: this.waitingBytes };
      throw new Failure('busy', 'too-many-waiting', 'Too much is waiting to be written', { facts });
    }
  }

  /** Adds a record to the next group; `done` resolves when it is durable, indexed and visible. */
  append(fields: RecordFields, effectOf: (encoded: Encoded) => Effect): Promise<void> {
    const bound = lengthBound(fields);
    const group = this.groupFor(bound);
    const stamp = { group: group.number, ordinal: group.records++, seed: this.options.seed };
    const encoded = encodeRecord(group.buffer, group.used, stamp, fields);
    group.members.push({ effect: effectOf(encoded), at: group.used });
    group.used += encoded.length;
    this.waitingBytes += encoded.length;
    this.start();
    return group.done;
  }

  /** Adds an effect on the index alone, in order with the others. */
  note(effect: Effect): Promise<void> {
    const group = this.groupFor(0);
    group.members.push({ effect, at: group.used });
    this.start();
    return group.done;
  }

  /** For recovery: the same for records that the log has already. */
  async applyReplayed(replayed: readonly Replayed[], reached: LogPosition, group: number) {
    const { ledger } = this.options;
    const batch = new Map<string, string | undefined>();
    for (const { effect, place } of replayed) effect.stage(batch, place);
    ledger.reach(reached);
    ledger.write(batch);
    const link = writeLink({ ...reached, group, ...ledger.counters });
    batch.set(chainKey(this.nextBatch++), link);
    await this.options.index.apply(batch);
    for (const { effect } of replayed) effect.publish();
    this.nextGroup = Math.max(this.nextGroup, group + 1);
  }

  /** False while a batch that the log has could not be given to the index. */
  get isIndexed(): boolean {
    return this.unapplied === undefined;
  }

  /** Resolves when everything added so far is answered, well or not. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.settled();
  }

  private groupFor(bytes: number): Group {
    const last = this.waiting.at(-1);
    if (last !== undefined) {
      if (last.used + bytes <= last.buffer.length) return last;
      if (last.used + bytes <= this.options.groupBytesMax) {
        this.enlarge(last, bytes);
        return last;
      }
    }
    const group = new Group(this.nextGroup++, this.bufferOf(bytes));
    this.waiting.push(group);
    return group;
  }

  private enlarge(group: Group, bytes: number): void {
    const size = Math.min(
      Math.max(group.buffer.length * 2, group.used + bytes),
      this.options.groupBytesMax,
    );
    const larger = Buffer.allocUnsafeSlow(size);
    group.buffer.copy(larger, 0, 0, group.used);
    group.buffer = larger;
  }

  private bufferOf(bytes: number): Buffer {
    const spare = this.spare.pop();
    if (spare !== undefined && spare.length >= bytes) return spare;
    return Buffer.allocUnsafeSlow(Math.max(bytes, firstBufferBytes));
  }

  private recycle(buffer: Buffer): void {
    if (this.spare.length < 2 && buffer.length <= this.options.groupBytesMax)
      this.spare.push(buffer);
  }

  private start(): void {
    if (this.running !== undefined) return;
    this.running = this.run().finally(() => {
      this.running = undefined;
      if (this.waiting.length > 0) this.start();
    });
  }

  private async run(): Promise<void> {
    // Let everything that is being asked in this turn join the first group.
    await undefined;
    for (let group = this.waiting.shift(); group !== undefined; group = this.waiting.shift()) {
      this.waitingBytes -= group.used;
      try {
        await this.commit(group);
        this.options.onOutcome(undefined);
        group.resolve();
      } catch (error) {
        this.options.onOutcome(asFailure(error));
        group.reject(error);
      }
      this.recycle(group.buffer);
    }
  }

  private async commit(group: Group): Promise<void> {
    let start: LogPosition = this.options.log.position;
    try {
      await this.applyLeftover();
      if (group.used > 0)
        start = await this.options.log.append(group.buffer.subarray(0, group.used));
    } catch (error) {
      this.refuse(group, error);
      throw error;
    }
    this.sinceCheckpointBytes += group.used;
    const batch = this.stage(group, start);
    this.unapplied = { batch, members: group.members };
    await this.applyLeftover();
  }

  private stage(group: Group, start: LogPosition): Map<string, string | undefined> {
    const { ledger } = this.options;
    const batch = new Map<string, string | undefined>();
    for (const member of group.members)
      member.effect.stage(batch, { file: start.file, offset: start.offset + member.at });
    const reached = { file: start.file, offset: start.offset + group.used };
    if (group.used > 0) ledger.reach(reached);
    ledger.write(batch);
    const link = writeLink({ ...reached, group: group.number, ...ledger.counters });
    batch.set(chainKey(this.nextBatch++), link);
    return batch;
  }

  private async applyLeftover(): Promise<void> {
    const { unapplied } = this;
    if (unapplied === undefined) return;
    try {
      await this.options.index.apply(unapplied.batch);
    } catch (error) {
      // An error of LevelDB's own log sticks to it until it is opened again.
      await this.options.index.reopen();
      throw error;
    }
    this.unapplied = undefined;
    for (const member of unapplied.members) member.effect.publish();
  }

  private refuse(failed: Group, error: unknown): void {
    const behind = this.waiting;
    this.waiting = [];
    this.waitingBytes = 0;
    for (const group of [...behind.reverse(), failed]) {
      for (let at = group.members.length - 1; at >= 0; at--) group.members[at]?.effect.discard();
    }
    for (const group of behind) group.reject(error);
  }
}

function asFailure(error: unknown): Failure {
  if (isFailure(error)) return error;
  return new Failure('bug', 'commit-failed', 'A commit failed unexpectedly', { cause: error });
}
