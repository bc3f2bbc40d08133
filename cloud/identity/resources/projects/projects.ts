/** Projects: nested below a domain. */
import { sql } from 'kysely';
import Type from 'typebox';
import type { PolicyTarget, Route } from '../../../api/index.ts';
import { callerOf, domainOf, type IdentityCaller, type Request } from '../../caller.ts';
import type { Db, IdentityCore, Tx } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import { descendantsOf, lineageOf } from '../../roles.ts';
import type { ProjectRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { mergeOptions, refuseImmutable, refuseImmutableRemoval } from '../options.ts';
import { removeTarget } from '../removal.ts';
import { rowsOf } from '../rows.ts';
import type { View } from '../views.ts';
import { domainRow, emptyDomain } from './domains.ts';
import { hierarchyOf } from './project-hierarchy.ts';

export const projects = rowsOf('identity_project', 'project');

export const findProject = (db: Db, id: string) => projects.find(db, id);

export interface NewProject {
  readonly name: string;
  readonly domainId: string;
  readonly parentId?: string | undefined;
  readonly description?: string | null | undefined;
  readonly enabled?: boolean | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly options?: fields.Options | undefined;
  readonly extra?: Record<string, unknown>;
}

/** The row of a new project, once its place in the tree is seen to be good. */
export async function projectRow(
  core: IdentityCore,
  transaction: Tx,
  project: NewProject,
): Promise<ProjectRow> {
  const refuse = (detail: string) => identityFailure('schema-invalid', { detail });
  const parentId = project.parentId ?? project.domainId;
  const parent = await projects.find(transaction, parentId);
  if (parent === undefined) throw refuse(`Could not find project: ${parentId}.`);
  const domain = await projects.find(transaction, project.domainId);
  if (domain?.is_domain !== 1) throw refuse(`Could not find domain: ${project.domainId}.`);
  const above = [parent, ...(await lineageOf(transaction, parent.id))];
  if (above.at(-1)?.id !== domain.id)
    throw refuse(
      `Cannot create project, since it specifies its domain_id ${domain.id}, but specifies a parent in a different domain (${above.at(-1)?.id}).`,
    );
  const disabled = above.find((ancestor) => ancestor.enabled === 0);
  if (disabled !== undefined)
    throw refuse(
      `cannot create a project in a branch containing a disabled project: ${disabled.id}`,
    );
  // A domain is the first level of the strict model's two.
  const depthMax =
    core.settings.limitModel === 'strict_two_level'
      ? Math.min(2, core.settings.projectDepthMax)
      : core.settings.projectDepthMax;
  if (above.length >= depthMax)
    throw identityFailure('forbidden', {
      why: `Max hierarchy depth reached for ${parent.id} branch.`,
    });
  return {
    id: core.newId(),
    domain_id: domain.id,
    parent_id: parent.id,
    name: project.name.trim(),
    description: project.description ?? '',
    enabled: project.enabled === false ? 0 : 1,
    is_domain: 0,
    tags: JSON.stringify(project.tags ?? []),
    options: mergeOptions('{}', project.options),
    extra: JSON.stringify(project.extra ?? {}),
  };
}

export async function insertProject(
  core: IdentityCore,
  transaction: Tx,
  project: NewProject,
): Promise<ProjectRow> {
  const row = await projectRow(core, transaction, project);
  await projects.insert(transaction, row, row.name);
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
    options: JSON.parse(row.options),
  };
}

export const tagsOf = (row: ProjectRow): string[] => {
  const tags: unknown = JSON.parse(row.tags);
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
};

/** A domain acts as a project too; it is its own domain then. */
export const projectTarget = (row: ProjectRow | undefined): PolicyTarget => ({
  target: { project: row && { id: row.id, domain_id: row.domain_id ?? row.id } },
});

const shared = {
  description: Type.Optional(fields.nullable(fields.text)),
  enabled: Type.Optional(fields.flag),
  tags: Type.Optional(fields.tags),
  options: Type.Optional(fields.options),
  domain_id: Type.Optional(fields.nullable(fields.id)),
  parent_id: Type.Optional(fields.nullable(fields.id)),
  is_domain: Type.Optional(fields.flag),
};
const create = Type.Object({ ...shared, name: fields.projectName });
const update = fields.some({ ...shared, name: Type.Optional(fields.projectName) });
const known = [...Object.keys(shared), 'name'];

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
  return collectionRoutes(core, {
    rows: projects,
    plural: 'projects',
    member: 'project',
    create,
    update,
    listing: {
      filters: { name: 'text', enabled: 'flag', domain_id: 'text', parent_id: 'text' },
      sortKeys: ['id', 'name', 'domain_id', 'enabled'],
      defaultSort: 'name',
    },
    view: projectView,
    target: projectTarget,
    createTarget: (given, request) => ({
      target: { project: { domain_id: domainForNew(request, given.domain_id) } },
    }),
    listTarget: (request) => ({ target: { domain_id: domainOf(request) } }),
    where: (request) => {
      const asDomains = /^(1|true)$/i.test(request.query.get('is_domain') ?? '') ? 1 : 0;
      const kind = sql<boolean>`is_domain = ${asDomains}`;
      const confinedTo = domainOf(request);
      return confinedTo === undefined ? [kind] : [kind, sql<boolean>`domain_id = ${confinedTo}`];
    },
    keep: (view, request) => Array.isArray(view.tags) && matchesTags(view.tags, request.query),
    fresh: async (given, request, transaction) => {
      const extra = fields.extraOf(given, known);
      if (given.is_domain === true) return actingAsDomain(core, given, request, extra);
      const parent = await projects.find(transaction, given.parent_id ?? '');
      const domainId =
        given.domain_id ??
        (parent?.is_domain === 1 ? parent.id : parent?.domain_id) ??
        domainForNew(request, undefined);
      return projectRow(core, transaction, {
        ...given,
        domainId,
        parentId: given.parent_id ?? undefined,
        extra,
      });
    },
    changed: async (before, given, transaction) => {
      const what = before.is_domain === 1 ? 'domain' : 'project';
      refuseImmutable(before, given, what);
      refuseMove(before, given);
      if (given.enabled !== undefined) await refuseSplit(before, given.enabled, transaction);
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
      refuseImmutableRemoval(row, row.is_domain === 1 ? 'domain' : 'project');
      if (row.is_domain === 1) {
        if (row.enabled === 1)
          throw identityFailure('forbidden', {
            why: 'Cannot delete a domain that is enabled, please disable it first.',
          });
        await emptyDomain(transaction, row);
      } else await clearProject(transaction, row);
    },
    detail: (row, request) => hierarchyOf(core, row, request),
  });
}

/** A root project that acts as a domain: upstream's other way to make one, for who may make domains. */
function actingAsDomain(
  core: IdentityCore,
  given: Type.Static<typeof create>,
  request: Request,
  extra: Record<string, unknown>,
): ProjectRow {
  if (!request.may('identity:create_domain'))
    throw identityFailure('forbidden-action', { action: 'identity:create_project' });
  if ((given.parent_id ?? null) !== null || (given.domain_id ?? null) !== null)
    throw identityFailure('schema-invalid', {
      detail: 'only root projects are allowed to act as domains.',
    });
  return domainRow(core, { ...given, extra });
}

function refuseMove(before: ProjectRow, given: Type.Static<typeof update>): void {
  const refuse = (detail: string) => identityFailure('schema-invalid', { detail });
  if (given.parent_id !== undefined && given.parent_id !== before.parent_id)
    throw identityFailure('forbidden', { why: 'Update of `parent_id` is not allowed.' });
  if (given.domain_id !== undefined && given.domain_id !== before.domain_id)
    throw refuse('Cannot change Domain ID');
  if (given.is_domain !== undefined && given.is_domain !== (before.is_domain === 1))
    throw refuse('Update of `is_domain` is not allowed.');
}

/** Nothing is enabled below what is not: children are disabled first, and parents enabled first. */
async function refuseSplit(before: ProjectRow, enabled: boolean, db: Db): Promise<void> {
  if (enabled === (before.enabled === 1) || before.is_domain === 1) return;
  const others = enabled ? await lineageOf(db, before.id) : await descendantsOf(db, [before.id]);
  if (!others.some((other) => other.enabled !== Number(enabled))) return;
  throw identityFailure('forbidden', {
    why: enabled
      ? `Cannot enable project ${before.id} since it has disabled parents`
      : `Cannot disable project ${before.id} since its subtree contains enabled projects.`,
  });
}

/** What is made without naming a domain belongs to the caller's: of the token's scope, or of the user. */
export function domainForNew(request: Request, asked: string | null | undefined): string {
  if (asked !== undefined && asked !== null) return asked;
  const { info } = callerOf(request);
  if (info.scope.kind === 'domain') return info.scope.id;
  if (info.scope.kind === 'project') return info.scope.domain.id;
  return info.user.domain.id;
}

/** What hangs on a project goes before it; with children it stays. */
async function clearProject(transaction: Tx, row: ProjectRow): Promise<void> {
  const child = await transaction
    .selectFrom('identity_project')
    .select('id')
    .where('parent_id', '=', row.id)
    .executeTakeFirst();
  if (child !== undefined)
    throw identityFailure('forbidden', {
      why: `Cannot delete the project ${row.id} since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.`,
    });
  await removeTarget(transaction, 'project', row.id);
}

export async function removeProject(transaction: Tx, row: ProjectRow): Promise<void> {
  await clearProject(transaction, row);
  await projects.remove(transaction, row.id);
}
