/**
 * Reservations: whoever makes a resource reserves for it in the same transaction, under the resource's own id. What exists
 * and what is counted can therefore not differ, and reserving or releasing twice is reserving or releasing once.
 */
import type { Transaction } from 'kysely';
import { type AnyTransaction, roomOf, type State } from '#cloud/state';
import { Failure } from '#common';
import type { QuotaTables } from './migrations.ts';

export const unlimited = -1;

export interface QuotaDeclaration {
  /** `volume.gigabytes`: service and what is counted, with its unit. */
  readonly resource: string;
  /** For projects of which nobody said otherwise; `unlimited` for no limit. */
  readonly defaultLimit: number;
}

/** Resource → how much. */
export type QuotaAmounts = Readonly<Record<string, number>>;

export interface QuotaUsage {
  readonly limit: number;
  readonly used: number;
}

export interface QuotaHolder {
  /** The project; or `user:ID` where a service counts by user. */
  readonly scope: string;
  /** The id of the resource that uses it. */
  readonly holder: string;
}

export interface Quotas {
  /** Makes known what is counted; every service does so when it is made. */
  add(declarations: readonly QuotaDeclaration[]): void;
  /**
   * Makes the holder's reservations these amounts: more, fewer or the same than before. Fails `conflict` over-quota with
   * the facts `resource`, `limit`, `used` and `requested`. Begin the transaction with `{ lock: quotas.lockOf(scope) }` where
   * many create at once.
   */
  reserve(transaction: AnyTransaction, holder: QuotaHolder, amounts: QuotaAmounts): Promise<void>;
  /** Takes back everything that was reserved for this holder. */
  release(transaction: AnyTransaction, holder: string): Promise<void>;
  /** Name of the lock under which changes of a scope wait for one another instead of being tried again. */
  lockOf(scope: string): string;
  usage(scope: string, service?: string): Promise<Readonly<Record<string, QuotaUsage>>>;
  /** Sets limits of a scope, or with '' the defaults; `undefined` goes back to the default. */
  setLimits(scope: string, limits: Readonly<Record<string, number | undefined>>): Promise<void>;
  /** Forgets the limits of a scope. */
  clearLimits(scope: string, service?: string): Promise<void>;
  limits(scope: string, service?: string): Promise<QuotaAmounts>;
  /** What was set for single scopes, by scope. */
  listLimits(service: string): Promise<ReadonlyMap<string, QuotaAmounts>>;
  declared(service?: string): readonly QuotaDeclaration[];
}

type Tx = Transaction<QuotaTables>;

export function createQuotas(state: State): Quotas {
  return new QuotaRoom(state);
}

class QuotaRoom implements Quotas {
  private readonly state: State;
  private readonly defaults = new Map<string, number>();

  constructor(state: State) {
    this.state = state;
  }

  add(declarations: readonly QuotaDeclaration[]): void {
    for (const { resource, defaultLimit } of declarations)
      this.defaults.set(resource, defaultLimit);
  }

  private get db() {
    return this.state.db.$extendTables<QuotaTables>();
  }

  lockOf(scope: string): string {
    return `quota ${scope}`;
  }

  async reserve(
    transaction: AnyTransaction,
    holder: QuotaHolder,
    amounts: QuotaAmounts,
  ): Promise<void> {
    const tx = roomOf<QuotaTables>(transaction);
    // In one order everywhere, so that two transactions never wait for each other in a circle.
    for (const resource of Object.keys(amounts).sort())
      await this.reserveOne(tx, holder, resource, amounts[resource] ?? 0);
  }

  private async reserveOne(
    tx: Tx,
    { scope, holder }: QuotaHolder,
    resource: string,
    amount: number,
  ): Promise<void> {
    this.check(resource, amount);
    const held = await tx
      .selectFrom('quota_reservation')
      .select('amount')
      .where('holder', '=', holder)
      .where('resource', '=', resource)
      .executeTakeFirst();
    const more = amount - (held?.amount ?? 0);
    if (more === 0 && held !== undefined) return;
    await tx
      .insertInto('quota_reservation')
      .values({ holder, resource, scope, amount })
      .onConflict((conflict) => conflict.columns(['holder', 'resource']).doUpdateSet({ amount }))
      .execute();
    const { used } = await tx
      .insertInto('quota_usage')
      .values({ scope, resource, used: more })
      .onConflict((conflict) =>
        conflict
          .columns(['scope', 'resource'])
          .doUpdateSet((set) => ({ used: set('quota_usage.used', '+', more) })),
      )
      .returning('used')
      .executeTakeFirstOrThrow();
    // The row is ours until the transaction ends: nobody reserves between this look and the commit.
    const limit = await this.limitOf(tx, scope, resource);
    if (more > 0 && limit !== unlimited && used > limit) {
      const facts = { resource, limit, used: used - more, requested: more, scope };
      throw new Failure('conflict', 'over-quota', 'The quota is used up', { facts });
    }
  }

  private check(resource: string, amount: number): void {
    if (!this.defaults.has(resource) || !Number.isSafeInteger(amount) || amount < 0)
      throw new Failure('bug', 'bad-quota', 'There is no such quota, or not of such an amount', {
        facts: { resource, amount },
      });
  }

  private async limitOf(tx: Tx, scope: string, resource: string): Promise<number> {
    const rows = await tx
      .selectFrom('quota_limit')
      .select(['scope', 'amount'])
      .where('scope', 'in', [scope, ''])
      .where('resource', '=', resource)
      .execute();
    const own = rows.find((row) => row.scope === scope) ?? rows[0];
    return own?.amount ?? this.defaults.get(resource) ?? 0;
  }

  async release(transaction: AnyTransaction, holder: string): Promise<void> {
    const tx = roomOf<QuotaTables>(transaction);
    const released = await tx
      .deleteFrom('quota_reservation')
      .where('holder', '=', holder)
      .returningAll()
      .execute();
    for (const { scope, resource, amount } of released.sort((a, b) =>
      a.resource < b.resource ? -1 : 1,
    ))
      await tx
        .updateTable('quota_usage')
        .set((set) => ({ used: set('used', '-', amount) }))
        .where('scope', '=', scope)
        .where('resource', '=', resource)
        .execute();
  }

  async usage(scope: string, service?: string): Promise<Record<string, QuotaUsage>> {
    const limits = await this.limits(scope, service);
    const rows = await this.db
      .selectFrom('quota_usage')
      .selectAll()
      .where('scope', '=', scope)
      .execute();
    const used = new Map(rows.map((row) => [row.resource, row.used]));
    return Object.fromEntries(
      Object.entries(limits).map(([resource, limit]) => [
        resource,
        { limit, used: used.get(resource) ?? 0 },
      ]),
    );
  }

  async listLimits(service: string): Promise<ReadonlyMap<string, QuotaAmounts>> {
    const rows = await this.db
      .selectFrom('quota_limit')
      .selectAll()
      .where('scope', '<>', '')
      .orderBy('scope')
      .execute();
    const found = new Map<string, Record<string, number>>();
    for (const { scope, resource, amount } of rows)
      if (isOf(resource, service)) found.set(scope, { ...found.get(scope), [resource]: amount });
    return found;
  }

  async limits(scope: string, service?: string): Promise<QuotaAmounts> {
    const rows = await this.db
      .selectFrom('quota_limit')
      .selectAll()
      .where('scope', 'in', [scope, ''])
      // What is everybody's first, what is this scope's over it.
      .orderBy('scope')
      .execute();
    const limits = new Map(this.defaults);
    for (const row of rows) if (limits.has(row.resource)) limits.set(row.resource, row.amount);
    return Object.fromEntries([...limits].filter(([resource]) => isOf(resource, service)));
  }

  async setLimits(
    scope: string,
    limits: Readonly<Record<string, number | undefined>>,
  ): Promise<void> {
    await this.state.transaction(async (untyped) => {
      const tx = roomOf<QuotaTables>(untyped);
      for (const [resource, amount] of Object.entries(limits)) {
        if (amount === undefined) {
          await tx
            .deleteFrom('quota_limit')
            .where('scope', '=', scope)
            .where('resource', '=', resource)
            .execute();
          continue;
        }
        if (amount !== unlimited) this.check(resource, amount);
        await tx
          .insertInto('quota_limit')
          .values({ scope, resource, amount })
          .onConflict((conflict) => conflict.columns(['scope', 'resource']).doUpdateSet({ amount }))
          .execute();
      }
    });
  }

  async clearLimits(scope: string, service?: string): Promise<void> {
    const resources = this.declared(service).map((one) => one.resource);
    await this.setLimits(scope, Object.fromEntries(resources.map((name) => [name, undefined])));
  }

  declared(service?: string): readonly QuotaDeclaration[] {
    return [...this.defaults]
      .filter(([resource]) => isOf(resource, service))
      .map(([resource, defaultLimit]) => ({ resource, defaultLimit }));
  }
}

function isOf(resource: string, service: string | undefined): boolean {
  return service === undefined || resource.startsWith(`${service}.`);
}
