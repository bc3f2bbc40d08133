/** Trusts as rows: which of them hold now, and what they give. */
import type { Db, IdentityCore } from '../../core.ts';
import { effectiveRoles, expandImplied, type RoleRef } from '../../roles.ts';
import type { TrustRow } from '../../tables.ts';
import { rowsOf } from '../rows.ts';

export const trusts = rowsOf('identity_trust', 'trust');

export function roleIdsOf(trust: Pick<TrustRow, 'role_ids'>): string[] {
  const ids: unknown = JSON.parse(trust.role_ids);
  return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
}

/** A trust and those it was handed on from, nearest first. */
export async function pedigreeOf(db: Db, trust: TrustRow): Promise<TrustRow[]> {
  const chain = [trust];
  let aboveId = trust.redelegated_trust_id;
  // As long as redelegation was allowed to go; the bound keeps a damaged table from turning this into a loop.
  while (aboveId !== null && chain.length <= 100) {
    const above = await trusts.find(db, aboveId);
    if (above === undefined) break;
    chain.push(above);
    aboveId = above.redelegated_trust_id;
  }
  return chain;
}

/** Nothing when it is not there, over, or handed on by somebody who may not be trusted any more. */
export async function findUsableTrust(
  core: IdentityCore,
  db: Db,
  id: string,
): Promise<TrustRow | undefined> {
  const trust = await trusts.find(db, id);
  if (trust === undefined) return undefined;
  const nowUs = core.clock.nowUs();
  const pedigree = await pedigreeOf(db, trust);
  if (pedigree.some((one) => one.expires_at_us !== null && one.expires_at_us <= nowUs))
    return undefined;
  for (const above of pedigree.slice(1)) {
    const agent = await db
      .selectFrom('identity_user')
      .select('id')
      .where('id', '=', above.trustee_user_id)
      .where('enabled', '=', 1)
      .executeTakeFirst();
    if (agent === undefined) return undefined;
  }
  return trust;
}

/** Takes one use of a trust that counts them; false when none is left. */
export async function consumeTrust(core: IdentityCore, id: string): Promise<boolean> {
  const changed = await core.db
    .updateTable('identity_trust')
    .set((set) => ({ remaining_uses: set('remaining_uses', '-', 1) }))
    .where('id', '=', id)
    .where((where) =>
      where.or([where('remaining_uses', 'is', null), where('remaining_uses', '>', 0)]),
    )
    .executeTakeFirst();
  return changed.numUpdatedRows > 0n;
}

/** The ids of all roles that a user holds on a project, those of domains among them. */
export async function heldRoleIds(
  db: Db,
  who: { readonly userId: string; readonly projectId: string; readonly nowUs: number },
): Promise<ReadonlySet<string>> {
  const target = { type: 'project', id: who.projectId } as const;
  const also = { nowUs: who.nowUs, withDomainRoles: true };
  const roles = await effectiveRoles(db, who.userId, target, also);
  return new Set(roles.map((role) => role.id));
}

/** The roles a trust gives now: nothing when the trustor, the first of its line, has lost one of them. */
export async function trustRoles(
  core: IdentityCore,
  trust: TrustRow,
): Promise<readonly RoleRef[] | undefined> {
  if (trust.project_id === null) return [];
  const first = (await pedigreeOf(core.db, trust)).at(-1) ?? trust;
  const held = await heldRoleIds(core.db, {
    userId: first.trustor_user_id,
    projectId: trust.project_id,
    nowUs: core.clock.nowUs(),
  });
  const given = roleIdsOf(trust);
  if (given.length === 0 || !given.every((id) => held.has(id))) return undefined;
  return expandImplied(core.db, given);
}
