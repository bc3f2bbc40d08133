/**
 * Forgets rows: tombstones that all owners have, and rows that a stand-in gave back.
 *
 * 1. What may go is decided upon what is current (`decideForget`).
 * 2. The newest time among the tombstones is raised as a fence, durably: of rows that are not known here nothing older is accepted from
 *    now on, so a write that was under way all the time cannot bring back what the tombstone had ended.
 * 3. Only then a record for each row takes it out.
 */
import { compareVersions, type ForgottenRow, forgottenScope, type RowKey } from '#wire';
import { rowKeyText } from '../index/keys.ts';
import { type RecordFields, type RecordHead, recordTypes } from '../log/record.ts';
import { decideForget } from '../register.ts';
import type { Committer } from './committer.ts';
import type { Fences } from './fences.ts';
import { ForgottenRecord, type NamedKey, type Registers } from './registers.ts';
import type { Rows } from './rows.ts';

export interface ForgettingParts {
  readonly registers: Registers;
  readonly committer: Committer;
  readonly fences: Fences;
  readonly rows: Rows;
}

const nothing = Buffer.alloc(0);

export class Forgetting {
  private readonly parts: ForgettingParts;

  constructor(parts: ForgettingParts) {
    this.parts = parts;
  }

  /** Returns how many there were to forget. */
  async forget(rows: readonly ForgottenRow[]): Promise<number> {
    const { fences, committer } = this.parts;
    committer.checkRoom();
    const times = rows.map((row) => this.decide(row) ?? 0);
    const epoch = Math.max(0, ...times);
    if (epoch > 0) await fences.raise({ scope: forgottenScope, epoch }, committer);
    const done = rows.flatMap((row) => {
      // Decided anew, as something may have come while the fence was written; no wait from here to the append.
      const timeUs = this.decide(row);
      if (timeUs === undefined || timeUs > fences.forgottenUs) return [];
      return [this.append(row, timeUs)];
    });
    await Promise.all(done);
    return done.length;
  }

  private decide({ key, version }: ForgottenRow): number | undefined {
    const { row, promise } = this.parts.registers.current(named(key));
    // A bad copy waits for a good one first.
    if (row === undefined || row.lost) return undefined;
    const state = { accepted: row.version, promised: promise?.ballot };
    return decideForget(state, version, row.deleted);
  }

  private append({ key, version }: ForgottenRow, timeUs: number): Promise<void> {
    const { registers, committer } = this.parts;
    const at = named(key);
    const done = committer.append(fieldsOf(key, version, timeUs), () =>
      registers.change(at, { row: undefined, promise: undefined }, 'forget'),
    );
    const change = registers.pending.get(at.name);
    if (change !== undefined) change.done = done;
    return done;
  }

  /** For compaction: an older file may hold what was forgotten. */
  async carry(at: NamedKey, head: RecordHead): Promise<void> {
    const { registers, committer, rows } = this.parts;
    await registers.pending.get(at.name)?.done;
    const { row } = registers.current(at);
    // A row that is back, as it was or newer, outlives what the older file holds. To carry the record behind it would need the row once more
    // behind that, and a group torn between the two would have lost it.
    if (row !== undefined && compareVersions(row.version, head.version) >= 0) return;
    const record = new ForgottenRecord(registers.parts.ledger, at.key);
    const carried = committer.append(fieldsOf(at.key, head.version, head.bytes), () => record);
    // An older version that somebody brought since must come after the record that says it went.
    const again = row === undefined ? undefined : rows.copyAgain(at, row);
    await Promise.all([carried, again]);
  }
}

function named(key: RowKey): NamedKey {
  return { key, name: rowKeyText(key) };
}

function fieldsOf(key: RowKey, version: RecordFields['version'], timeUs: number): RecordFields {
  const { hash, table, partition, sort } = key;
  const name = { hash, table, partition, sort };
  const content = { bytes: timeUs, meta: nothing, body: [], bodyLength: 0 };
  return { type: recordTypes.rowForget, flags: 0, ...name, version, ...content };
}
