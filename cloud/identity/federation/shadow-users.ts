/** Users whom a provider vouches for, as users of this cloud: made at their first log-in, known again at the next. */
import { createHash } from 'node:crypto';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import { insertUser, users } from '../resources/actors/users.ts';
import { insertProject } from '../resources/projects/projects.ts';
import type { ProviderRow, UserRow } from '../tables.ts';
import type { Mapped } from './mapping.ts';

export interface ShadowOf {
  readonly provider: ProviderRow;
  readonly protocolId: string;
  readonly uniqueId: string;
  readonly displayName: string;
  readonly email: string | undefined;
}

export async function ensureShadowUser(
  core: IdentityCore,
  transaction: Tx,
  of: ShadowOf,
): Promise<UserRow> {
  const key = {
    idp_id: of.provider.id,
    protocol_id: of.protocolId,
    unique_id: of.uniqueId,
  };
  const link = await transaction
    .selectFrom('identity_federated_user')
    .select('user_id')
    .where((where) => where.and(key))
    .executeTakeFirst();
  const known = link && (await users.find(transaction, link.user_id));
  const name = await freeName(transaction, of, known?.id);
  if (known !== undefined) {
    if (known.name === name) return known;
    const renamed = { ...known, name };
    await users.update(transaction, renamed, name);
    return renamed;
  }
  const made = await insertUser(core, transaction, {
    name,
    domainId: of.provider.domain_id,
    extra: of.email === undefined ? {} : { email: of.email },
  });
  await transaction
    .insertInto('identity_federated_user')
    .values({ ...key, user_id: made.id, display_name: of.displayName })
    .execute();
  return made;
}

/** The name a provider gives, unless somebody else has it: being called like an administrator makes nobody one. */
async function freeName(db: Db, of: ShadowOf, ownId: string | undefined): Promise<string> {
  const wanted = of.displayName.slice(0, 200);
  const taken = await db
    .selectFrom('identity_user')
    .select('id')
    .where('domain_id', '=', of.provider.domain_id)
    .where('name', '=', wanted)
    .executeTakeFirst();
  if (taken === undefined || taken.id === ownId) return wanted;
  const mark = createHash('sha256').update(`${of.provider.id} ${of.uniqueId}`).digest('hex');
  return `${wanted} (${mark.slice(0, 16)})`;
}

/** Memberships last as long after a log-in as the provider's `authorization_ttl` says; without one, as the token. */
export async function renewMemberships(
  core: IdentityCore,
  transaction: Tx,
  user: UserRow,
  { provider, groupIds }: { readonly provider: ProviderRow; readonly groupIds: readonly string[] },
): Promise<void> {
  const minutes = provider.authorization_ttl ?? 0;
  const key = { user_id: user.id, idp_id: provider.id };
  // What the provider does not say any more is over, whatever was to come of it.
  await transaction
    .deleteFrom('identity_expiring_membership')
    .where((where) => where.and(key))
    .execute();
  if (minutes === 0) return;
  const nowUs = core.clock.nowUs();
  for (const groupId of groupIds)
    await transaction
      .insertInto('identity_expiring_membership')
      .values({
        ...key,
        group_id: groupId,
        verified_at_us: nowUs,
        expires_at_us: nowUs + minutes * 60e6,
      })
      .execute();
}

/** Projects that a mapping names are made in the provider's domain, and the user gets the roles it names there. */
export async function provisionProjects(
  core: IdentityCore,
  transaction: Tx,
  user: UserRow,
  { provider, projects }: { readonly provider: ProviderRow; readonly projects: Mapped['projects'] },
): Promise<void> {
  for (const { name, roles } of projects) {
    const known = await transaction
      .selectFrom('identity_project')
      .select('id')
      .where('domain_id', '=', provider.domain_id)
      .where('name', '=', name)
      .executeTakeFirst();
    const projectId =
      known?.id ??
      (await insertProject(core, transaction, { name, domainId: provider.domain_id })).id;
    for (const role of roles) {
      const row = await transaction
        .selectFrom('identity_role')
        .select('id')
        .where('name', '=', role)
        .where('domain_id', 'in', ['', provider.domain_id])
        .executeTakeFirst();
      if (row === undefined) throw identityFailure('unauthorized');
      await transaction
        .insertInto('identity_assignment')
        .values({
          actor_type: 'user',
          actor_id: user.id,
          target_type: 'project',
          target_id: projectId,
          role_id: row.id,
          inherited: 0,
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  }
}
