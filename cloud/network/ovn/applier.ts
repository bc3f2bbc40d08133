/**
 * Makes a database what is desired, whatever of that it refuses.
 *
 *  1. What its published schema forbids is not sent at all.
 *  2. The rest goes as one transaction.
 *  3. When that is refused, rows of resources are held back and let in by halves; one that is refused alone is to blame. It is set
 *     aside, and everything else is done.
 *  4. A row that was set aside is tried again when it is another, when the database was restarted, and after a while.
 *
 * Invariant: rows that no resource stands behind (what forbids everything that is not allowed) are in each transaction, so that
 * no port is ever there without its guard. When they are refused, nothing is done.
 */
import { type Clock, Failure, isFailure, messageOf } from '#common';
import type { Schema } from '../ovsdb/schema.ts';
import type { Desired, DesiredRow, Subject } from './desired.ts';
import { type Difference, differenceOf, type Replica } from './difference.ts';

export interface Database extends Replica {
  readonly schema: Schema | undefined;
  transact(operations: readonly object[]): Promise<unknown>;
}

/** A row that the database will not have. */
export interface Refusal {
  readonly subject: Subject;
  readonly table: string;
  readonly reason: string;
  readonly sinceUs: number;
}

interface Aside extends Refusal {
  readonly stamp: string;
  readonly tryAgainMs: number;
}

const tryAgainMs = 300_000;
/** Refusals that one look finds out; the next look goes on from there. */
const refusalsMax = 100;

export class Applier {
  private readonly database: Database;
  private readonly clock: Clock;
  private readonly aside = new Map<string, Aside>();
  private schema: Schema | undefined;

  constructor(database: Database, clock: Clock) {
    this.database = database;
    this.clock = clock;
  }

  get refusals(): readonly Refusal[] {
    return [...this.aside.values()];
  }

  /** Returns what was other than desired and is no longer. Fails when not everything could be done or set aside. */
  async apply(desired: Desired): Promise<Difference> {
    this.forget(desired);
    const difference = this.checked(desired);
    try {
      await this.send(difference);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.separate(desired, difference.touched);
    }
    const touched = difference.touched.filter((key) => !this.aside.has(key));
    return { ...difference, touched };
  }

  private forget(desired: Desired): void {
    const isOther = this.schema !== this.database.schema;
    this.schema = this.database.schema;
    const now = this.clock.monotonicMs();
    for (const [key, held] of this.aside) {
      const row = desired.rows.get(key);
      if (isOther || row === undefined || stampOf(row) !== held.stamp || now >= held.tryAgainMs)
        this.aside.delete(key);
    }
  }

  /** The difference without what the schema forbids. */
  private checked(desired: Desired): Difference {
    const difference = this.difference(desired, new Set());
    let isComplete = true;
    for (const key of difference.touched) {
      const row = desired.rows.get(key);
      if (row === undefined || this.aside.has(key)) continue;
      const problem = this.schema?.problemOf(row.table, row.columns);
      if (problem === undefined) continue;
      this.setAside(row, problem);
      isComplete = false;
    }
    return isComplete ? difference : this.difference(desired, new Set());
  }

  private difference(desired: Desired, heldBack: ReadonlySet<string>): Difference {
    const { schema } = this;
    if (schema === undefined)
      throw new Failure('unreachable', 'ovsdb-silent', 'The database has not said what it holds');
    const aside = new Set([...this.aside.keys(), ...heldBack]);
    return differenceOf(desired, this.database, { schema, aside });
  }

  private async send({ operations }: Difference): Promise<void> {
    if (operations.length > 0) await this.database.transact(operations);
  }

  private async separate(desired: Desired, touched: readonly string[]): Promise<void> {
    const suspects = touched.filter((key) => desired.rows.get(key)?.subject !== undefined);
    const heldBack = new Set(suspects);
    await this.send(this.difference(desired, heldBack));
    const before = this.aside.size;
    const tries: (readonly string[])[] = [suspects];
    for (let some = tries.pop(); some !== undefined; some = tries.pop()) {
      for (const key of some) heldBack.delete(key);
      const error = await this.refused(desired, heldBack);
      if (error === undefined) continue;
      const only = some.length === 1 ? desired.rows.get(some[0] ?? '') : undefined;
      if (only !== undefined) {
        this.setAside(only, messageOf(error));
        if (this.aside.size - before >= refusalsMax) throw error;
        continue;
      }
      for (const key of some) heldBack.add(key);
      const half = Math.ceil(some.length / 2);
      tries.push(some.slice(half), some.slice(0, half));
    }
  }

  private async refused(
    desired: Desired,
    heldBack: ReadonlySet<string>,
  ): Promise<Error | undefined> {
    try {
      await this.send(this.difference(desired, heldBack));
      return undefined;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return error;
    }
  }

  private setAside(row: DesiredRow, reason: string): void {
    const { subject, table, key } = row;
    if (subject === undefined)
      throw new Failure('bug', 'ovn-own-row-refused', `OVN refuses a row of the cloud's own`, {
        facts: { key, reason },
      });
    this.aside.set(key, {
      ...{ subject, table, reason },
      sinceUs: this.clock.nowUs(),
      stamp: stampOf(row),
      tryAgainMs: this.clock.monotonicMs() + tryAgainMs,
    });
  }
}

const stampOf = (row: DesiredRow): string => JSON.stringify(row.columns);

/** Errors that are about what was sent; others are about the server. */
const ofRows: ReadonlySet<unknown> = new Set([
  'constraint violation',
  'referential integrity violation',
  'domain error',
  'range error',
  'syntax error',
]);

const isRefusal = (error: unknown): error is Failure =>
  isFailure(error) && error.code === 'ovsdb-refused' && ofRows.has(error.facts.error);
