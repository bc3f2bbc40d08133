/** Who may do what where: direct, group, inherited and implied role assignments made into one list of roles. */
import type { Db } from './core.ts';
import type { AssignmentRow, ProjectRow } from './tables.ts';

export interface RoleRef {
  readonly id: string;
  readonly name: string;
}

export type RoleTarget =
  | { readonly type: 'project'; readonly id: string }
  | { readonly type: 'domain'; readonly id: string }
  | { readonly type: 'system' };

/** The roles a user holds on a target, implied ones included, by name. */
export async function effectiveRoles(
  db: Db,
  userId: string,
  target: RoleTarget,
  also: ActorsBeside,
): Promise<RoleRef[]> {
  const lineage = target.type === 'project' ? await lineageOf(db, target.id) : [];
  const assignments = await assignmentsOfUser(db, userId, also);
  const direct = assignments
    .filter((row) => applies(row, target, lineage))
    .map((row) => row.role_id);
  return expandImplied(db, direct, also.withDomainRoles);
}

/** Groups beside those that a user is in for good: given by a token, or by a mapping for a while. */
export interface ActorsBeside {
  readonly groupIds?: readonly string[];
  readonly nowUs?: number;
  /** Roles of domains as well, which only imply others and are in no token. */
  readonly withDomainRoles?: boolean;
}

/** Every assignment that names the user or one of the user's groups. */
export async function assignmentsOfUser(
  db: Db,
  userId: string,
  also: ActorsBeside = {},
): Promise<AssignmentRow[]> {
  const lasting = db
    .selectFrom('identity_membership')
    .select('group_id')
    .where('user_id', '=', userId);
  const passing = db
    .selectFrom('identity_expiring_membership')
    .select('group_id')
    .where('user_id', '=', userId)
    .where('expires_at_us', '>', also.nowUs ?? 0);
  const given = also.groupIds ?? [];
  return db
    .selectFrom('identity_assignment')
    .selectAll()
    .where((where) =>
      where.or([
        where.and([where('actor_type', '=', 'user'), where('actor_id', '=', userId)]),
        where.and([
          where('actor_type', '=', 'group'),
          where.or([
            where('actor_id', 'in', lasting),
            where('actor_id', 'in', passing),
            ...(given.length === 0 ? [] : [where('actor_id', 'in', [...given])]),
          ]),
        ]),
      ]),
    )
    .execute();
}

/** A project's ancestors, nearest first, its domain last. The project itself is not among them. */
export async function lineageOf(db: Db, projectId: string): Promise<ProjectRow[]> {
  const lineage: ProjectRow[] = [];
  let at = await findProject(db, projectId);
  // Depth is bounded at creation; the bound here keeps a damaged table from turning this into a loop.
  while (at !== undefined && lineage.length < 32) {
    const upId: string | null = at.parent_id ?? at.domain_id;
    at = upId === null ? undefined : await findProject(db, upId);
    if (at !== undefined) lineage.push(at);
  }
  return lineage;
}

function findProject(db: Db, id: string): Promise<ProjectRow | undefined> {
  return db.selectFrom('identity_project').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Pure: whether an assignment gives its role on the target, given the target's ancestors. */
export function applies(
  row: AssignmentRow,
  target: RoleTarget,
  lineage: readonly ProjectRow[],
): boolean {
  const inherited = row.inherited === 1;
  if (target.type === 'system') return row.target_type === 'system' && !inherited;
  if (!inherited) return row.target_type === target.type && row.target_id === target.id;
  return lineage.some(
    (ancestor) =>
      ancestor.id === row.target_id &&
      row.target_type === (ancestor.is_domain === 1 ? 'domain' : 'project'),
  );
}

/** Follows implications to the end. Roles of a domain only imply others; no token carries one. */
export async function expandImplied(
  db: Db,
  roleIds: readonly string[],
  withDomainRoles = false,
): Promise<RoleRef[]> {
  if (roleIds.length === 0) return [];
  const implications = await db.selectFrom('identity_implied_role').selectAll().execute();
  const held = new Set(roleIds);
  const pending = [...held];
  for (let prior = pending.pop(); prior !== undefined; prior = pending.pop()) {
    for (const { prior_role_id, implied_role_id } of implications) {
      if (prior_role_id !== prior || held.has(implied_role_id)) continue;
      held.add(implied_role_id);
      pending.push(implied_role_id);
    }
  }
  const query = db
    .selectFrom('identity_role')
    .select(['id', 'name'])
    .where('id', 'in', [...held])
    .orderBy('name');
  return (withDomainRoles ? query : query.where('domain_id', '=', '')).execute();
}

/** The projects, or domains, on which the user holds any role. */
export async function targetsOfUser(
  db: Db,
  userId: string,
  type: 'project' | 'domain',
  also: ActorsBeside = {},
): Promise<ProjectRow[]> {
  const assignments = await assignmentsOfUser(db, userId, also);
  const direct = assignments
    .filter((row) => row.target_type === type && row.inherited === 0)
    .map((row) => row.target_id);
  const found = new Map<string, ProjectRow>();
  const keep = (rows: readonly ProjectRow[]) => {
    for (const row of rows) found.set(row.id, row);
  };
  if (direct.length > 0)
    keep(await db.selectFrom('identity_project').selectAll().where('id', 'in', direct).execute());
  if (type === 'project') {
    const above = assignments.filter((row) => row.inherited === 1).map((row) => row.target_id);
    keep(await descendantsOf(db, above));
  }
  return [...found.values()];
}

/** All projects below any of these projects or domains. */
export async function descendantsOf(db: Db, ids: readonly string[]): Promise<ProjectRow[]> {
  const found = new Map<string, ProjectRow>();
  let level = [...ids];
  while (level.length > 0) {
    const below: ProjectRow[] = await db
      .selectFrom('identity_project')
      .selectAll()
      .where('parent_id', 'in', level)
      .where('is_domain', '=', 0)
      .execute();
    const fresh = below.filter((row) => !found.has(row.id));
    for (const row of fresh) found.set(row.id, row);
    level = fresh.map((row) => row.id);
  }
  return [...found.values()];
}
