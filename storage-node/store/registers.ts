/** Registers (rows with their promises) between log, index and cache: what is there, and what is on its way. */
import { compareVersions, type RowKey, type Version } from '#wire';
import { count, emptySums, type Sums } from '../digest.ts';
import { rowCorrupt } from '../failures.ts';
import type { IndexStore } from '../index/index-store.ts';
import { aggregateKey, partitionPrefix, promiseKey, quarantineKey } from '../index/keys.ts';
import { append, begin, finish, numberAt } from '../index/text-numbers.ts';
import type { LogPosition } from '../log/log.ts';
import { headBytesOf, padded } from '../log/record.ts';
import type { Effect } from './committer.ts';
import type { Ledger } from './ledger.ts';
import type { RowCache } from './row-cache.ts';
import { decodeRowState, encodeRowState } from './row-entry.ts';
import { type RowState, recordLength } from './row-state.ts';

export interface PromiseState {
  readonly ballot: Version;
  readonly length: number;
  file: number;
  offset: number;
}

export interface Register {
  readonly row: RowState | undefined;
  readonly promise: PromiseState | undefined;
}

export interface NamedKey {
  readonly key: RowKey;
  /** The key's name in the index, made once per request. */
  readonly name: string;
}

/**
 * Which part of a change its record holds; `none` for a change of the index alone. `forget` takes the row out, and its record counts as
 * long as an older file may hold the row.
 */
export type RecordPart = 'row' | 'promise' | 'forget' | 'none';

export interface RegisterParts {
  readonly index: IndexStore;
  readonly ledger: Ledger;
  readonly cache: RowCache;
  /** An entry of the index failed its checksum: the index must be rebuilt. */
  readonly onIndexDamage: () => void;
}

export class Registers {
  readonly parts: RegisterParts;
  readonly pending = new Map<string, RegisterChange>();
  /** Promises on their way, which the ledger does not count yet. */
  pendingPromises = 0;

  constructor(parts: RegisterParts) {
    this.parts = parts;
  }

  /** The row that readers may see. */
  committedRow(named: NamedKey): RowState | undefined {
    const cached = this.parts.cache.get(named.name);
    if (cached !== undefined) return cached;
    const text = this.parts.index.get(named.name);
    if (text === undefined) return undefined;
    const row = decodeRowState(named.name, text);
    if (row === undefined) {
      this.parts.onIndexDamage();
      throw rowCorrupt(named.key, 'index-entry');
    }
    this.parts.cache.set(named.name, row);
    return row;
  }

  /** What the next change is decided upon. */
  current(named: NamedKey): Register {
    const pending = this.pending.get(named.name);
    if (pending !== undefined) return pending.after;
    return { row: this.committedRow(named), promise: this.committedPromise(named.name) };
  }

  private committedPromise(name: string): PromiseState | undefined {
    if (this.parts.ledger.counters.promises + this.pendingPromises === 0) return undefined;
    const text = this.parts.index.get(promiseKey(name));
    return text === undefined ? undefined : decodePromise(text);
  }

  aggregate(prefix: string): Sums {
    const text = this.parts.index.get(aggregateKey(prefix));
    return text === undefined ? emptySums() : decodeSums(text);
  }

  /** A change from what is current; it becomes what later ones are decided upon. */
  change(named: NamedKey, after: Register, part: RecordPart): RegisterChange {
    const before = this.current(named);
    const change = new RegisterChange(this, named, { before, after, part });
    this.pending.set(named.name, change);
    if (after.promise !== undefined) this.pendingPromises++;
    return change;
  }
}

interface Step {
  readonly before: Register;
  readonly after: Register;
  readonly part: RecordPart;
}

export class RegisterChange implements Effect {
  private readonly registers: Registers;
  private readonly named: NamedKey;
  private readonly step: Step;
  private readonly overtaken: RegisterChange | undefined;
  private settled = false;
  /** Resolves when this is durable and visible; set by whoever appended it. */
  done: Promise<void> | undefined;

  constructor(registers: Registers, named: NamedKey, step: Step) {
    this.registers = registers;
    this.named = named;
    this.step = step;
    this.overtaken = registers.pending.get(named.name);
  }

  get after(): Register {
    return this.step.after;
  }

  stage(batch: Map<string, string | undefined>, place: LogPosition): void {
    const { before, after, part } = this.step;
    if (part === 'row' && after.row !== undefined) moveTo(after.row, place);
    if (part === 'promise' && after.promise !== undefined) moveTo(after.promise, place);
    if (part === 'forget') stageTombstone(this.registers.parts.ledger, this.named.key, place);
    if (after.row !== before.row) this.stageRow(batch, before.row, after.row);
    if (after.promise !== before.promise) this.stagePromise(batch, before.promise, after.promise);
  }

  private stageRow(
    batch: Map<string, string | undefined>,
    before: RowState | undefined,
    after: RowState | undefined,
  ): void {
    const { ledger } = this.registers.parts;
    const { name } = this.named;
    if (after === undefined) {
      if (before !== undefined) this.stageForgotten(batch, before);
      return;
    }
    if (before !== undefined) ledger.dropLive(before.file, recordLength(before));
    ledger.addLive(after.file, recordLength(after));
    batch.set(name, encodeRowState(name, after));
    if (after.lost || before?.lost === true) {
      ledger.counters.quarantined += Number(after.lost) - Number(before?.lost === true);
      batch.set(quarantineKey(name), after.lost ? 'row' : undefined);
    }
    const same = before !== undefined && compareVersions(before.version, after.version) === 0;
    if (!same) this.stageAggregate(batch, before, after);
  }

  private stageForgotten(batch: Map<string, string | undefined>, before: RowState): void {
    const { ledger } = this.registers.parts;
    const { name } = this.named;
    ledger.dropLive(before.file, recordLength(before));
    batch.set(name, undefined);
    if (before.lost) {
      ledger.counters.quarantined -= 1;
      batch.set(quarantineKey(name), undefined);
    }
    this.stageAggregate(batch, before, undefined);
  }

  private stageAggregate(
    batch: Map<string, string | undefined>,
    before: RowState | undefined,
    after: RowState | undefined,
  ): void {
    const { index, ledger } = this.registers.parts;
    const { table, partition, hash, sort } = this.named.key;
    const name = aggregateKey(partitionPrefix(table, partition, hash));
    const text = batch.has(name) ? batch.get(name) : index.get(name);
    const sums = text === undefined ? emptySums() : decodeSums(text);
    const rowsBefore = sums.rows;
    if (before !== undefined) count(sums, sort, before, -1);
    if (after !== undefined) count(sums, sort, after, 1);
    ledger.counters.rows += sums.rows - rowsBefore;
    batch.set(name, isEmpty(sums) ? undefined : encodeSums(sums));
  }

  private stagePromise(
    batch: Map<string, string | undefined>,
    before: PromiseState | undefined,
    after: PromiseState | undefined,
  ): void {
    const { ledger } = this.registers.parts;
    if (before !== undefined) ledger.dropLive(before.file, before.length);
    if (after !== undefined) ledger.addLive(after.file, after.length);
    ledger.counters.promises += Number(after !== undefined) - Number(before !== undefined);
    const text = after === undefined ? undefined : encodePromise(after);
    batch.set(promiseKey(this.named.name), text);
  }

  publish(): void {
    const { row } = this.step.after;
    if (row !== undefined) this.registers.parts.cache.set(this.named.name, row);
    else this.registers.parts.cache.delete(this.named.name);
    this.settle();
    if (this.registers.pending.get(this.named.name) === this)
      this.registers.pending.delete(this.named.name);
  }

  discard(): void {
    this.settle();
    if (this.registers.pending.get(this.named.name) !== this) return;
    const { overtaken } = this;
    if (overtaken !== undefined && !overtaken.settled)
      this.registers.pending.set(this.named.name, overtaken);
    else this.registers.pending.delete(this.named.name);
  }

  private settle(): void {
    this.settled = true;
    if (this.step.after.promise !== undefined) this.registers.pendingPromises--;
  }
}

/** The record of a row that was forgotten, where it changes nothing: carried along, or older than what came after. */
export class ForgottenRecord implements Effect {
  private readonly ledger: Ledger;
  private readonly key: RowKey;

  constructor(ledger: Ledger, key: RowKey) {
    this.ledger = ledger;
    this.key = key;
  }

  stage(_batch: Map<string, string | undefined>, place: LogPosition): void {
    stageTombstone(this.ledger, this.key, place);
  }

  publish(): void {}

  discard(): void {}
}

function stageTombstone(ledger: Ledger, key: RowKey, place: LogPosition): void {
  const length = padded(headBytesOf(key));
  ledger.addLive(place.file, length);
  ledger.statsOf(place.file).tombstones += length;
}

function isEmpty({ rows, bytes, low, high }: Sums): boolean {
  return rows === 0 && bytes === 0 && low === 0 && high === 0;
}

function moveTo(target: { file: number; offset: number }, place: LogPosition): void {
  target.file = place.file;
  target.offset = place.offset;
}

function encodePromise(promise: PromiseState): string {
  begin();
  append(promise.ballot.timeUs, 8);
  append(promise.ballot.coordinator, 5);
  append(promise.length, 4);
  append(promise.file, 5);
  append(promise.offset, 5);
  return finish();
}

function decodePromise(text: string): PromiseState {
  return {
    ballot: { timeUs: numberAt(text, 0, 8), coordinator: numberAt(text, 8, 5) },
    length: numberAt(text, 13, 4),
    file: numberAt(text, 17, 5),
    offset: numberAt(text, 22, 5),
  };
}

function encodeSums(sums: Sums): string {
  begin();
  append(sums.rows, 8);
  append(sums.bytes, 8);
  append(sums.low, 5);
  append(sums.high, 5);
  return finish();
}

export function decodeSums(text: string): Sums {
  return {
    rows: numberAt(text, 0, 8),
    bytes: numberAt(text, 8, 8),
    low: numberAt(text, 16, 5),
    high: numberAt(text, 21, 5),
  };
}
