/** Projects: nested below a domain, with tags. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import {
  callerOf,
  domainOf,
  type IdentityCaller,
  parameter,
  type Request,
  route,
} from '../caller.ts';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import { descendantsOf, lineageOf } from '../roles.ts';
import type { ProjectRow } from '../tables.ts';
import * as fields from './fields.ts';
import { onDuplicate, removeTarget } from './removal.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

export interface NewProject {
  readonly name: string;
  readonly domainId: string;
  readonly parentId?: string | undefined;
  readonly description?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly extra?: Record<string, unknown>;
}

export function findProject(db: Db, id: string): Promise<ProjectRow | undefined> {
  return db.selectFrom('identity_project').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function insertProject(
  core: IdentityCore,
  transaction: Tx,
  project: NewProject,
): Promise<ProjectRow> {
  const parentId = project.parentId ?? project.domainId;
  const parent = await findProject(transaction, parentId);
  const domain = await findProject(transaction, project.domainId);
  if (parent === undefined || domain?.is_domain !== 1)
    throw identityFailure('schema-invalid', { detail: 'The parent or domain does not exist.' });
  const above = [parent, ...(await lineageOf(transaction, parent.id))];
  if (above.at(-1)?.id !== domain.id)
    throw identityFailure('schema-invalid', { detail: 'The parent is in another domain.' });
  if (above.some((ancestor) => ancestor.enabled === 0))
    throw identityFailure('forbidden', { why: 'A parent of the project is disabled.' });
  if (above.length >= core.settings.projectDepthMax)
    throw identityFailure('forbidden', { why: 'Projects cannot be nested so deeply.' });
  const row: ProjectRow = {
    id: core.newId(),
    domain_id: domain.id,
    parent_id: parent.id,
    name: project.name,
    description: project.description ?? '',
    enabled: project.enabled === false ? 0 : 1,
    is_domain: 0,
    tags: JSON.stringify(project.tags ?? []),
    extra: JSON.stringify(project.extra ?? {}),
  };
  await onDuplicate('project', project.name, () =>
    transaction.insertInto('identity_project').values(row).execute(),
  );
  return row;
}

export function projectView(row: ProjectRow): View {
  return {
    ...fields.parseExtra(row.extra),
    id: row.id,
    name: row.name,
    domain_id: row.domain_id,
    description: row.description,
    enabled: row.enabled === 1,
    // The root of a domain's tree is the domain itself, which upstream names as parent too.
    parent_id: row.parent_id,
    is_domain: row.is_domain === 1,
    tags: tagsOf(row),
    options: {},
  };
}

const tagsOf = (row: ProjectRow): string[] => {
  const tags: unknown = JSON.parse(row.tags);
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
};

const shared = {
  name: fields.projectName,
  description: fields.nullable(fields.text),
  enabled: fields.flag,
  tags: fields.tags,
  options: fields.noOptions,
};
const createBody = Type.Object({
  project: Type.Object({
    ...Type.Partial(Type.Object(shared)).properties,
    name: fields.projectName,
    domain_id: Type.Optional(fields.nullable(fields.id)),
    parent_id: Type.Optional(fields.nullable(fields.id)),
    is_domain: Type.Optional(Type.Literal(false)),
  }),
});
const updateBody = Type.Object({
  project: Type.Object({
    ...Type.Partial(Type.Object(shared)).properties,
    domain_id: Type.Optional(fields.nullable(fields.id)),
    parent_id: Type.Optional(fields.nullable(fields.id)),
    is_domain: Type.Optional(fields.flag),
  }),
});
const known = [...Object.keys(shared), 'domain_id', 'parent_id', 'is_domain'];

const listing = {
  table: 'identity_project',
  filters: { name: 'text', enabled: 'flag', domain_id: 'text', parent_id: 'text' },
  sortKeys: ['id', 'name', 'domain_id', 'enabled'],
  defaultSort: 'name',
} as const;

/** `tags`, `tags-any`, `not-tags`, `not-tags-any`: upstream's four ways to filter by tags. */
export function matchesTags(tags: readonly string[], query: URLSearchParams): boolean {
  const wanted = (name: string) => query.get(name)?.split(',');
  const all = wanted('tags');
  const any = wanted('tags-any');
  const notAll = wanted('not-tags');
  const notAny = wanted('not-tags-any');
  const has = (tag: string) => tags.includes(tag);
  if (all?.every(has) === false || any?.some(has) === false) return false;
  return notAll?.every(has) !== true && notAny?.some(has) !== true;
}

export function projectRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const targetOf = async (request: Request) => {
    const row = await findProject(db, parameter(request, 'project_id'));
    // A domain acts as a project too; it is its own domain then.
    return {
      target: { project: row && { id: row.id, domain_id: row.domain_id ?? row.id } },
    };
  };
  const theProject = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'project_id');
    return found(await findProject(from, id), 'project', id);
  };
  const reply = (request: Request, row: ProjectRow) => ({
    project: linked(request, 'projects', projectView(row)),
  });
  const setTags = (request: Request, change: (tags: string[]) => string[]) =>
    core.change(async (transaction) => {
      const row = await theProject(request, transaction);
      const tags = [...new Set(change(tagsOf(row)))];
      if (tags.length > 80)
        throw identityFailure('schema-invalid', { detail: 'A project has at most 80 tags.' });
      await transaction
        .updateTable('identity_project')
        .set({ tags: JSON.stringify(tags) })
        .where('id', '=', row.id)
        .execute();
      return tags;
    });

  return [
    route({
      method: 'GET',
      path: '/v3/projects',
      policy: 'identity:list_projects',
      target: (request) => ({ target: { domain_id: domainOf(request) } }),
      handle: async (request) => {
        const asDomains = /^(1|true)$/i.test(request.query.get('is_domain') ?? '') ? 1 : 0;
        let query = db
          .selectFrom('identity_project')
          .selectAll()
          .where('is_domain', '=', asDomains);
        const confinedTo = domainOf(request);
        if (confinedTo !== undefined) query = query.where('domain_id', '=', confinedTo);
        const rules = { ...listing, limitMax: core.settings.listMax };
        const page = await readPage(request, query, rules);
        const views = page.rows
          .filter((row) => matchesTags(tagsOf(row), request.query))
          .map((row) => linked(request, 'projects', projectView(row)));
        return listReply(request, 'projects', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/projects',
      policy: 'identity:create_project',
      body: createBody,
      target: (request) => ({
        target: { project: { domain_id: domainForNew(request, request.body.project.domain_id) } },
      }),
      handle: async (request) => {
        const { project } = request.body;
        const row = await core.change(async (transaction) => {
          const parent = await findProject(transaction, project.parent_id ?? '');
          const domainId =
            project.domain_id ??
            (parent?.is_domain === 1 ? parent.id : parent?.domain_id) ??
            domainForNew(request, undefined);
          return insertProject(core, transaction, {
            name: project.name,
            domainId,
            parentId: project.parent_id ?? undefined,
            description: project.description ?? undefined,
            enabled: project.enabled,
            tags: project.tags,
            extra: fields.extraOf(project, known),
          });
        });
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/projects/:project_id',
      policy: 'identity:get_project',
      target: targetOf,
      handle: async (request) => {
        const row = await theProject(request);
        const view = linked(request, 'projects', projectView(row));
        const hierarchy = await hierarchyOf(core, request, row);
        return { body: { project: { ...view, ...hierarchy } } };
      },
    }),
    route({
      method: 'PATCH',
      path: '/v3/projects/:project_id',
      policy: 'identity:update_project',
      body: updateBody,
      target: targetOf,
      handle: async (request) => {
        const { project } = request.body;
        const row = await core.change(async (transaction) => {
          const before = await theProject(request, transaction);
          const fixed = [
            [project.domain_id, before.domain_id],
            [project.parent_id, before.parent_id],
            [project.is_domain, before.is_domain === 1],
          ];
          if (fixed.some(([asked, is]) => asked !== undefined && asked !== is))
            throw identityFailure('schema-invalid', {
              detail: 'A project keeps its domain and its parent.',
            });
          const after: ProjectRow = {
            ...before,
            name: project.name ?? before.name,
            description: project.description ?? before.description,
            enabled: project.enabled === undefined ? before.enabled : Number(project.enabled),
            tags: project.tags === undefined ? before.tags : JSON.stringify(project.tags),
            extra: fields.mergeExtra(before.extra, fields.extraOf(project, known)),
          };
          await onDuplicate('project', after.name, () =>
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
      path: '/v3/projects/:project_id',
      policy: 'identity:delete_project',
      target: targetOf,
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theProject(request, transaction);
          if (row.is_domain === 1)
            throw identityFailure('forbidden', { why: 'A domain is deleted as a domain.' });
          await removeProject(transaction, row);
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/projects/:project_id/tags',
      policy: 'identity:list_project_tags',
      target: targetOf,
      handle: async (request) => ({
        body: {
          tags: tagsOf(await theProject(request)),
          links: { self: `${request.baseUrl}${request.url}`, next: null, previous: null },
        },
      }),
    }),
    route({
      method: 'PUT',
      path: '/v3/projects/:project_id/tags',
      policy: 'identity:update_project_tags',
      body: Type.Object({ tags: fields.tags }),
      target: targetOf,
      handle: async (request) => ({
        body: {
          tags: await setTags(request, () => request.body.tags),
          links: { self: `${request.baseUrl}${request.url}`, next: null, previous: null },
        },
      }),
    }),
    route({
      method: 'DELETE',
      path: '/v3/projects/:project_id/tags',
      policy: 'identity:delete_project_tags',
      target: targetOf,
      handle: async (request) => {
        await setTags(request, () => []);
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/projects/:project_id/tags/:tag',
      policy: 'identity:get_project_tag',
      target: targetOf,
      handle: async (request) => {
        const tag = parameter(request, 'tag');
        const held = tagsOf(await theProject(request)).find((other) => other === tag);
        found(held, 'project tag', tag);
        return { status: 204 };
      },
    }),
    route({
      method: 'PUT',
      path: '/v3/projects/:project_id/tags/:tag',
      policy: 'identity:create_project_tag',
      target: targetOf,
      handle: async (request) => {
        const tag = parameter(request, 'tag');
        if (!/^[^,/]{1,255}$/.test(tag))
          throw identityFailure('schema-invalid', { detail: 'A tag has no comma and no slash.' });
        await setTags(request, (tags) => [...tags, tag]);
        const self = `${request.baseUrl}${request.url}`;
        return { status: 201, headers: { Location: self } };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/projects/:project_id/tags/:tag',
      policy: 'identity:delete_project_tag',
      target: targetOf,
      handle: async (request) => {
        const tag = parameter(request, 'tag');
        await setTags(request, (tags) => {
          found(
            tags.find((other) => other === tag),
            'project tag',
            tag,
          );
          return tags.filter((other) => other !== tag);
        });
        return { status: 204 };
      },
    }),
  ];
}

/** What is made without naming a domain belongs to the caller's: of the token's scope, or of the user. */
export function domainForNew(request: Request, asked: string | null | undefined): string {
  if (asked !== undefined && asked !== null) return asked;
  const { info } = callerOf(request);
  if (info.scope.kind === 'domain') return info.scope.id;
  if (info.scope.kind === 'project') return info.scope.domain.id;
  return info.user.domain.id;
}

/** Deletes a project without children, and what hangs on it. */
export async function removeProject(transaction: Tx, row: ProjectRow): Promise<void> {
  const child = await transaction
    .selectFrom('identity_project')
    .select('id')
    .where('parent_id', '=', row.id)
    .executeTakeFirst();
  if (child !== undefined)
    throw identityFailure('forbidden', {
      why: `Cannot delete the project ${row.id} since it is not a leaf in the hierarchy.`,
    });
  await removeTarget(transaction, 'project', row.id);
  await transaction.deleteFrom('identity_project').where('id', '=', row.id).execute();
}

/** `parents_as_list`, `parents_as_ids`, `subtree_as_list`, `subtree_as_ids`. */
async function hierarchyOf(core: IdentityCore, request: Request, row: ProjectRow): Promise<View> {
  const { query } = request;
  const view: View = {};
  if (query.has('parents_as_list') || query.has('parents_as_ids')) {
    const parents = await lineageOf(core.db, row.id);
    const nested = [...parents]
      .reverse()
      .reduce<View | null>((inner, parent) => ({ [parent.id]: inner }), null);
    view.parents = query.has('parents_as_list')
      ? parents
          .filter((parent) => parent.is_domain === 0)
          .map((parent) => ({ project: linked(request, 'projects', projectView(parent)) }))
      : nested;
  }
  if (query.has('subtree_as_list') || query.has('subtree_as_ids')) {
    const below = await descendantsOf(core.db, [row.id]);
    view.subtree = query.has('subtree_as_list')
      ? below.map((child) => ({ project: linked(request, 'projects', projectView(child)) }))
      : idsBelow(row.id, below);
  }
  return view;
}

function idsBelow(id: string, rows: readonly ProjectRow[]): View | null {
  const children = rows.filter((row) => row.parent_id === id);
  if (children.length === 0) return null;
  return Object.fromEntries(children.map((child) => [child.id, idsBelow(child.id, rows)]));
}
