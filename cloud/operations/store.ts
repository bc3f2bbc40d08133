/**
 * Every statement about operations.
 *
 * Invariant: whoever works on an operation holds its lease, and every write names the epoch of that lease; a controller
 * that lost it (slow, paused, believed dead) changes nothing any more.
 */
import type { Kysely, Transaction, Updateable } from 'kysely';
import type { State } from '#cloud/state';
import { Failure } from '#common';
import type { OperationRow, OperationStepRow, OperationTables } from './record.ts';

export type Tx = Transaction<OperationTables>;

export interface Lease {
  readonly id: string;
  readonly epoch: number;
}

export const leaseOf = (row: OperationRow): Lease => ({ id: row.id, epoch: row.lease_epoch });

export class OperationStore {
  readonly db: Kysely<OperationTables>;
  private readonly state: State;

  constructor(state: State) {
    this.state = state;
    this.db = state.db.$extendTables<OperationTables>();
  }

  transaction<T>(work: (tx: Tx, untyped: Transaction<unknown>) => Promise<T>): Promise<T> {
    return this.state.transaction((untyped) =>
      work(untyped.$extendTables<OperationTables>(), untyped),
    );
  }

  find(id: string): Promise<OperationRow | undefined> {
    return this.db.selectFrom('operation').selectAll().where('id', '=', id).executeTakeFirst();
  }

  steps(id: string): Promise<OperationStepRow[]> {
    return this.db
      .selectFrom('operation_step')
      .selectAll()
      .where('operation_id', '=', id)
      .orderBy('number')
      .execute();
  }

  /** Takes the leases of operations that are due and belong to nobody alive. */
  async claim(options: {
    readonly owner: string;
    readonly workflows: readonly string[];
    /** What this process works on already, though its lease may have run out while the process stood still. */
    readonly except: readonly string[];
    readonly max: number;
    readonly nowUs: number;
    readonly leaseUntilUs: number;
  }): Promise<OperationRow[]> {
    let query = this.db
      .selectFrom('operation')
      .select(['id', 'lease_epoch', 'undoing'])
      .where('ended_at_us', 'is', null)
      .where('due_at_us', '<=', options.nowUs)
      .where('lease_until_us', '<=', options.nowUs)
      .where('workflow', 'in', options.workflows)
      .orderBy('due_at_us')
      .limit(options.max);
    if (options.except.length > 0) query = query.where('id', 'not in', options.except);
    const due = await query.execute();
    const claimed: OperationRow[] = [];
    for (const { id, lease_epoch, undoing } of due) {
      // Another controller may have been faster: then its epoch is another.
      const row = await this.db
        .updateTable('operation')
        .set({
          owner: options.owner,
          lease_epoch: lease_epoch + 1,
          lease_until_us: options.leaseUntilUs,
          state: undoing === 1 ? 'undoing' : 'running',
          updated_at_us: options.nowUs,
        })
        .where('id', '=', id)
        .where('lease_epoch', '=', lease_epoch)
        .where('ended_at_us', 'is', null)
        .returningAll()
        .executeTakeFirst();
      if (row !== undefined) claimed.push(row);
    }
    return claimed;
  }

  /** What `owner` held in an earlier life is free at once. */
  async releaseAll(owner: string): Promise<void> {
    await this.db
      .updateTable('operation')
      .set({ lease_until_us: 0 })
      .where('owner', '=', owner)
      .where('ended_at_us', 'is', null)
      .execute();
  }

  /** Prolongs leases; returns those that are still held, and who wants them cancelled. */
  renew(owner: string, ids: readonly string[], untilUs: number) {
    return this.db
      .updateTable('operation')
      .set({ lease_until_us: untilUs })
      .where('id', 'in', ids)
      .where('owner', '=', owner)
      .where('ended_at_us', 'is', null)
      .returning(['id', 'lease_epoch', 'cancel_asked'])
      .execute();
  }

  /** A write of the lease's holder; fails `closed` when the lease is lost. */
  async update(
    tx: Kysely<OperationTables>,
    lease: Lease,
    set: Updateable<OperationRow>,
  ): Promise<OperationRow> {
    const row = await tx
      .updateTable('operation')
      .set(set)
      .where('id', '=', lease.id)
      .where('lease_epoch', '=', lease.epoch)
      .where('ended_at_us', 'is', null)
      .returningAll()
      .executeTakeFirst();
    if (row === undefined)
      throw new Failure('closed', 'lease-lost', 'Another controller works on this operation', {
        facts: { operation: lease.id },
      });
    return row;
  }

  async writeStep(tx: Tx, row: OperationStepRow): Promise<void> {
    const { operation_id: _id, number: _number, started_at_us: _start, ...changing } = row;
    await tx
      .insertInto('operation_step')
      .values(row)
      .onConflict((conflict) => conflict.columns(['operation_id', 'number']).doUpdateSet(changing))
      .execute();
  }

  async hasBegun(tx: Tx, id: string, step: number): Promise<boolean> {
    const row = await tx
      .selectFrom('operation_step')
      .select('number')
      .where('operation_id', '=', id)
      .where('number', '=', step)
      .executeTakeFirst();
    return row !== undefined;
  }

  async askCancel(tx: Tx, column: 'id' | 'parent_id', id: string, nowUs: number): Promise<void> {
    await tx
      .updateTable('operation')
      .set({ cancel_asked: 1, due_at_us: nowUs, updated_at_us: nowUs })
      .where(column, '=', id)
      .where('ended_at_us', 'is', null)
      .execute();
  }

  async hasActiveChildren(id: string): Promise<boolean> {
    const child = await this.db
      .selectFrom('operation')
      .select('id')
      .where('parent_id', '=', id)
      .where('ended_at_us', 'is', null)
      .executeTakeFirst();
    return child !== undefined;
  }

  async countActive(): Promise<number> {
    const row = await this.db
      .selectFrom('operation')
      .select((select) => select.fn.countAll<number>().as('count'))
      .where('ended_at_us', 'is', null)
      .executeTakeFirstOrThrow();
    return Number(row.count);
  }

  countByState() {
    return this.db
      .selectFrom('operation')
      .select((select) => ['state', select.fn.countAll<number>().as('count')])
      .where('ended_at_us', 'is', null)
      .groupBy('state')
      .execute();
  }

  /** Forgets what ended before `beforeUs`, a bounded number at a time. */
  async prune(beforeUs: number, max: number): Promise<number> {
    const old = this.db
      .selectFrom('operation')
      .select('id')
      .where('ended_at_us', '<', beforeUs)
      .limit(max);
    const outcome = await this.db.deleteFrom('operation').where('id', 'in', old).executeTakeFirst();
    return Number(outcome.numDeletedRows);
  }
}
