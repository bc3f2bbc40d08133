/** Domains: the owners of projects, users and groups. Kept as projects that are their own root. */
import { sql } from 'kysely';
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { domainOf, type IdentityCaller } from '../../caller.ts';
import type { Db, IdentityCore, Tx } from '../../core.ts';
import { identityFailure, notFound } from '../../failures.ts';
import type { ProjectRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { mergeOptions, refuseImmutable, refuseImmutableRemoval } from '../options.ts';
import { removeActor, removeTarget } from '../removal.ts';
import { Rows, rowsOf } from '../rows.ts';
import type { View } from '../views.ts';
import { matchesTags, removeProject } from './projects.ts';

export const defaultDomainId = 'default';

const projects = rowsOf('identity_project', 'domain');

/** Projects that are none are not domains. */
class DomainRows extends Rows<ProjectRow> {
  override async find(db: Db, id: string): Promise<ProjectRow | undefined> {
    const row = await projects.find(db, id);
    return row?.is_domain === 1 ? row : undefined;
  }
}
export const domains = new DomainRows('identity_project', 'domain');

export const findDomain = (db: Db, id: string) => domains.find(db, id);

/** The domain that a body names; what it names and is not there is a 404, as upstream has it. */
export async function namedDomain(db: Db, id: string): Promise<ProjectRow> {
  const row = await domains.find(db, id);
  if (row === undefined) throw notFound('domain', id);
  return row;
}

export interface NewDomain {
  readonly id?: string | undefined;
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly enabled?: boolean | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly options?: fields.Options | undefined;
  readonly extra?: Record<string, unknown>;
}

export function domainRow(core: IdentityCore, domain: NewDomain): ProjectRow {
  return {
    id: domain.id ?? core.newId(),
    domain_id: null,
    parent_id: null,
    name: domain.name.trim(),
    description: domain.description ?? '',
    enabled: domain.enabled === false ? 0 : 1,
    is_domain: 1,
    tags: JSON.stringify(domain.tags ?? []),
    options: mergeOptions('{}', domain.options),
    extra: JSON.stringify(domain.extra ?? {}),
  };
}

export async function insertDomain(
  core: IdentityCore,
  transaction: Tx,
  domain: NewDomain,
): Promise<ProjectRow> {
  const row = domainRow(core, domain);
  await domains.insert(transaction, row, row.name);
  return row;
}

export function domainView(row: ProjectRow): View {
  return {
    ...fields.parseExtra(row.extra),
    id: row.id,
    name: row.name,
    description: row.description,
    enabled: row.enabled === 1,
    tags: JSON.parse(row.tags),
    options: JSON.parse(row.options),
  };
}

const shared = {
  description: Type.Optional(fields.nullable(fields.text)),
  enabled: Type.Optional(fields.flag),
  tags: Type.Optional(fields.tags),
  options: Type.Optional(fields.options),
};
const create = Type.Object({
  ...shared,
  name: fields.projectName,
  explicit_domain_id: Type.Optional(Type.String({ pattern: '^[a-f0-9]{32}$' })),
});
const known = [...Object.keys(shared), 'name', 'explicit_domain_id'];

export function domainRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return collectionRoutes(core, {
    rows: domains,
    plural: 'domains',
    member: 'domain',
    create,
    update: fields.some({ ...shared, name: Type.Optional(fields.projectName) }),
    listing: {
      filters: { name: 'text', enabled: 'flag', id: 'text' },
      sortKeys: ['id', 'name', 'enabled'],
      defaultSort: 'name',
    },
    view: domainView,
    target: (row) => ({ target: { domain: row && { id: row.id } } }),
    listTarget: (request) => ({ target: { domain_id: domainOf(request) } }),
    where: (request) => {
      const confinedTo = domainOf(request);
      const all = sql<boolean>`is_domain = 1`;
      return confinedTo === undefined ? [all] : [all, sql<boolean>`id = ${confinedTo}`];
    },
    keep: (view, request) => Array.isArray(view.tags) && matchesTags(view.tags, request.query),
    fresh: (given) =>
      domainRow(core, {
        ...given,
        id: given.explicit_domain_id,
        extra: fields.extraOf(given, known),
      }),
    changed: (before, given) => {
      refuseImmutable(before, given, 'domain');
      if (before.id === defaultDomainId && given.enabled === false)
        throw identityFailure('forbidden', { why: 'The default domain cannot be disabled.' });
      return {
        ...before,
        name: given.name?.trim() ?? before.name,
        description: given.description ?? before.description,
        enabled: fields.changedFlag(given.enabled, before.enabled),
        tags: given.tags === undefined ? before.tags : JSON.stringify(given.tags),
        options: mergeOptions(before.options, given.options),
        extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
      };
    },
    removing: async (row, transaction) => {
      refuseImmutableRemoval(row, 'domain');
      if (row.enabled === 1)
        throw identityFailure('forbidden', {
          why: 'Cannot delete a domain that is enabled, please disable it first.',
        });
      await emptyDomain(transaction, row);
    },
  });
}

/** Everything the domain owns goes with it, as upstream does it. */
export async function emptyDomain(transaction: Tx, row: ProjectRow): Promise<void> {
  const owned = await transaction
    .selectFrom('identity_project')
    .selectAll()
    .where('domain_id', '=', row.id)
    .execute();
  // Children first: a project is removed when nothing is below it any more.
  let left = owned;
  while (left.length > 0) {
    const parents = new Set(left.map((project) => project.parent_id));
    const leaves = left.filter((project) => !parents.has(project.id));
    for (const leaf of leaves) await removeProject(transaction, leaf);
    left = left.filter((project) => parents.has(project.id));
  }
  for (const type of ['user', 'group'] as const) {
    const table = type === 'user' ? 'identity_user' : 'identity_group';
    const actors = await transaction
      .selectFrom(table)
      .select('id')
      .where('domain_id', '=', row.id)
      .execute();
    for (const actor of actors) await removeActor(transaction, type, actor.id);
    await transaction.deleteFrom(table).where('domain_id', '=', row.id).execute();
  }
  await transaction.deleteFrom('identity_role').where('domain_id', '=', row.id).execute();
  await removeTarget(transaction, 'domain', row.id);
}
