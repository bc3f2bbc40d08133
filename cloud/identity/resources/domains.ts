/** Domains: the owners of projects, users and groups. Kept as projects that are their own root. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { domainOf, type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import type { ProjectRow } from '../tables.ts';
import * as fields from './fields.ts';
import { matchesTags, removeProject } from './projects.ts';
import { onDuplicate, removeActor, removeTarget } from './removal.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

export const defaultDomainId = 'default';

export interface NewDomain {
  readonly id?: string | undefined;
  readonly name: string;
  readonly description?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly extra?: Record<string, unknown>;
}

export function findDomain(db: Db, id: string): Promise<ProjectRow | undefined> {
  return db
    .selectFrom('identity_project')
    .selectAll()
    .where('id', '=', id)
    .where('is_domain', '=', 1)
    .executeTakeFirst();
}

export async function insertDomain(
  core: IdentityCore,
  transaction: Tx,
  domain: NewDomain,
): Promise<ProjectRow> {
  const row: ProjectRow = {
    id: domain.id ?? core.newId(),
    domain_id: null,
    parent_id: null,
    name: domain.name,
    description: domain.description ?? '',
    enabled: domain.enabled === false ? 0 : 1,
    is_domain: 1,
    tags: JSON.stringify(domain.tags ?? []),
    extra: JSON.stringify(domain.extra ?? {}),
  };
  await onDuplicate('domain', domain.name, () =>
    transaction.insertInto('identity_project').values(row).execute(),
  );
  return row;
}

function domainView(row: ProjectRow): View {
  return {
    ...fields.parseExtra(row.extra),
    id: row.id,
    name: row.name,
    description: row.description,
    enabled: row.enabled === 1,
    tags: JSON.parse(row.tags),
    options: {},
  };
}

const shared = {
  name: fields.projectName,
  description: fields.nullable(fields.text),
  enabled: fields.flag,
  tags: fields.tags,
  options: fields.noOptions,
};
const partial = Type.Partial(Type.Object(shared)).properties;
const createBody = Type.Object({
  domain: Type.Object({
    ...partial,
    name: fields.projectName,
    explicit_domain_id: Type.Optional(Type.String({ pattern: '^[a-f0-9]{32}$' })),
  }),
});
const updateBody = Type.Object({ domain: Type.Object(partial) });
const known = [...Object.keys(shared), 'explicit_domain_id'];

const listing = {
  table: 'identity_project',
  filters: { name: 'text', enabled: 'flag', id: 'text' },
  sortKeys: ['id', 'name', 'enabled'],
  defaultSort: 'name',
} as const;

export function domainRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const targetOf = async (request: Request) => {
    const row = await findDomain(db, parameter(request, 'domain_id'));
    return { target: { domain: row && { id: row.id } } };
  };
  const theDomain = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'domain_id');
    return found(await findDomain(from, id), 'domain', id);
  };
  const reply = (request: Request, row: ProjectRow) => ({
    domain: linked(request, 'domains', domainView(row)),
  });

  return [
    route({
      method: 'GET',
      path: '/v3/domains',
      policy: 'identity:list_domains',
      target: (request) => ({ target: { domain_id: domainOf(request) } }),
      handle: async (request) => {
        let query = db.selectFrom('identity_project').selectAll().where('is_domain', '=', 1);
        const confinedTo = domainOf(request);
        if (confinedTo !== undefined) query = query.where('id', '=', confinedTo);
        const page = await readPage(request, query, {
          ...listing,
          limitMax: core.settings.listMax,
        });
        const views = page.rows
          .map(domainView)
          .filter((view) => Array.isArray(view.tags) && matchesTags(view.tags, request.query))
          .map((view) => linked(request, 'domains', view));
        return listReply(request, 'domains', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/domains',
      policy: 'identity:create_domain',
      body: createBody,
      handle: async (request) => {
        const { domain } = request.body;
        const row = await core.change((transaction) =>
          insertDomain(core, transaction, {
            id: domain.explicit_domain_id,
            name: domain.name,
            description: domain.description ?? undefined,
            enabled: domain.enabled,
            tags: domain.tags,
            extra: fields.extraOf(domain, known),
          }),
        );
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/domains/:domain_id',
      policy: 'identity:get_domain',
      target: targetOf,
      handle: async (request) => ({ body: reply(request, await theDomain(request)) }),
    }),
    route({
      method: 'PATCH',
      path: '/v3/domains/:domain_id',
      policy: 'identity:update_domain',
      body: updateBody,
      target: targetOf,
      handle: async (request) => {
        const { domain } = request.body;
        const row = await core.change(async (transaction) => {
          const before = await theDomain(request, transaction);
          if (before.id === defaultDomainId && domain.enabled === false)
            throw identityFailure('forbidden', { why: 'The default domain cannot be disabled.' });
          const after: ProjectRow = {
            ...before,
            name: domain.name ?? before.name,
            description: domain.description ?? before.description,
            enabled: domain.enabled === undefined ? before.enabled : Number(domain.enabled),
            tags: domain.tags === undefined ? before.tags : JSON.stringify(domain.tags),
            extra: fields.mergeExtra(before.extra, fields.extraOf(domain, known)),
          };
          await onDuplicate('domain', after.name, () =>
            transaction
              .updateTable('identity_project')
              .set(after)
              .where('id', '=', before.id)
              .execute(),
          );
          return after;
        });
        return { body: reply(request, row) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/domains/:domain_id',
      policy: 'identity:delete_domain',
      target: targetOf,
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theDomain(request, transaction);
          if (row.enabled === 1)
            throw identityFailure('forbidden', {
              why: 'Cannot delete a domain that is enabled, please disable it first.',
            });
          await removeDomain(transaction, row);
        });
        return { status: 204 };
      },
    }),
  ];
}

/** Everything the domain owns goes with it, as upstream does it. */
async function removeDomain(transaction: Tx, row: ProjectRow): Promise<void> {
  const projects = await transaction
    .selectFrom('identity_project')
    .selectAll()
    .where('domain_id', '=', row.id)
    .execute();
  // Children first: a project is removed when nothing is below it any more.
  let left = projects;
  while (left.length > 0) {
    const parents = new Set(left.map((project) => project.parent_id));
    const leaves = left.filter((project) => !parents.has(project.id));
    for (const leaf of leaves) await removeProject(transaction, leaf);
    left = left.filter((project) => parents.has(project.id));
  }
  const users = await transaction
    .selectFrom('identity_user')
    .select('id')
    .where('domain_id', '=', row.id)
    .execute();
  for (const user of users) await removeActor(transaction, 'user', user.id);
  const groups = await transaction
    .selectFrom('identity_group')
    .select('id')
    .where('domain_id', '=', row.id)
    .execute();
  for (const group of groups) await removeActor(transaction, 'group', group.id);
  await transaction.deleteFrom('identity_user').where('domain_id', '=', row.id).execute();
  await transaction.deleteFrom('identity_group').where('domain_id', '=', row.id).execute();
  await transaction.deleteFrom('identity_role').where('domain_id', '=', row.id).execute();
  await removeTarget(transaction, 'domain', row.id);
  await transaction.deleteFrom('identity_project').where('id', '=', row.id).execute();
}
