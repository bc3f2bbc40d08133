/** Users, domains and projects as a log-in names them: by id, or by a name in a domain. */
import type { Db } from '../core.ts';
import type { UserRow } from '../tables.ts';

/** By id, or by name; a project or user by name also names its domain. */
export interface DomainReference {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}
export interface Reference extends DomainReference {
  readonly domain?: DomainReference | undefined;
}

export async function findUserBy(db: Db, reference: Reference): Promise<UserRow | undefined> {
  const query = db.selectFrom('identity_user').selectAll();
  if (reference.id !== undefined) return query.where('id', '=', reference.id).executeTakeFirst();
  if (reference.name === undefined || reference.domain === undefined) return undefined;
  const domainId = await findDomainBy(db, reference.domain);
  if (domainId === undefined) return undefined;
  return query
    .where('domain_id', '=', domainId)
    .where('name', '=', reference.name)
    .executeTakeFirst();
}

export async function findDomainBy(
  db: Db,
  reference: DomainReference,
): Promise<string | undefined> {
  const query = db.selectFrom('identity_project').select('id').where('is_domain', '=', 1);
  const { id, name } = reference;
  if (id !== undefined) return (await query.where('id', '=', id).executeTakeFirst())?.id;
  if (name === undefined) return undefined;
  return (await query.where('name', '=', name).executeTakeFirst())?.id;
}

export async function findProjectBy(db: Db, reference: Reference): Promise<string | undefined> {
  const query = db.selectFrom('identity_project').select('id');
  const { id, name, domain } = reference;
  if (id !== undefined) return (await query.where('id', '=', id).executeTakeFirst())?.id;
  if (name === undefined || domain === undefined) return undefined;
  const domainId = await findDomainBy(db, domain);
  if (domainId === undefined) return undefined;
  const found = await query
    .where('domain_id', '=', domainId)
    .where('name', '=', name)
    .executeTakeFirst();
  return found?.id;
}
