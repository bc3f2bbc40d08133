/** Projects as S3's access lists name them: by id, or by the address of somebody who works in one. */
import type { Db } from './core.ts';

export interface ProjectOwner {
  readonly id: string;
  readonly name: string;
  readonly domainId?: string;
}

export async function findProject(db: Db, id: string): Promise<ProjectOwner | undefined> {
  const row = await db
    .selectFrom('identity_project')
    .select(['id', 'name', 'domain_id'])
    .where('id', '=', id)
    .where('is_domain', '=', 0)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { name, domain_id: domainId } = row;
  return domainId === null ? { id, name } : { id, name, domainId };
}

const candidatesMax = 20;

/** The default project of the one user with that address, or else one that the user has a role in. */
export async function findProjectByEmail(db: Db, email: string): Promise<ProjectOwner | undefined> {
  // Wildcards in it only find more, which are compared below.
  const pattern = `%${JSON.stringify(email)}%`;
  const rows = await db
    .selectFrom('identity_user')
    .select(['id', 'extra', 'default_project_id'])
    .where((where) => where('extra', 'like', pattern))
    .limit(candidatesMax)
    .execute();
  const user = rows.find(({ extra }) => emailOf(extra) === email);
  if (user === undefined) return undefined;
  if (user.default_project_id !== null) return await findProject(db, user.default_project_id);
  const assignment = await db
    .selectFrom('identity_assignment')
    .select('target_id')
    .where('actor_type', '=', 'user')
    .where('actor_id', '=', user.id)
    .where('target_type', '=', 'project')
    .executeTakeFirst();
  return assignment === undefined ? undefined : await findProject(db, assignment.target_id);
}

function emailOf(extra: string): unknown {
  const parsed: unknown = JSON.parse(extra);
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  return Object.hasOwn(parsed, 'email') ? Reflect.get(parsed, 'email') : undefined;
}
