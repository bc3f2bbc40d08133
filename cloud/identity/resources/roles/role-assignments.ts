/** Listing role assignments, as they were made or as they take effect. */
import type { Route } from '../../../api/index.ts';
import { domainOf, type IdentityCaller, type Request, route } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import { descendantsOf, expandImplied } from '../../roles.ts';
import type { AssignmentRow } from '../../tables.ts';
import { findProject } from '../projects/projects.ts';
import type { View } from '../views.ts';

/** An assignment on its way to being shown; `links` say where it comes from. */
interface Effect extends AssignmentRow {
  readonly assignedTo?: AssignmentRow;
  readonly membershipOf?: string;
  readonly priorRoleId?: string;
}

export function roleAssignmentRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return [
    route({
      method: 'GET',
      path: '/v3/role_assignments',
      policy: 'any-token',
      handle: async (request) => {
        await authorize(core, request);
        const effects = await effectsFor(core, request);
        const views = await show(core, request, effects);
        const self = `${request.baseUrl}${request.url}`;
        return { body: { role_assignments: views, links: { self, next: null, previous: null } } };
      },
    }),
  ];
}

/** A tree listing is for the administrators of its root; every other one for readers of the cloud or the domain. */
async function authorize(core: IdentityCore, request: Request): Promise<void> {
  const projectId = request.query.get('scope.project.id');
  const tree = isTrue(request, 'include_subtree');
  if (tree && projectId === null)
    throw identityFailure('schema-invalid', {
      detail: 'scope.project.id must be specified if include_subtree is too',
    });
  const row = await findProject(core.db, projectId ?? '');
  const target = {
    target: {
      domain_id: domainOf(request),
      project: row && { id: row.id, domain_id: row.domain_id ?? row.id },
    },
  };
  const action = tree
    ? 'identity:list_role_assignments_for_tree'
    : 'identity:list_role_assignments';
  if (!request.may(action, target)) throw identityFailure('forbidden-action', { action });
}

const isTrue = (request: Request, name: string): boolean => {
  const value = request.query.get(name);
  return value !== null && !/^(0|false|no|off)$/i.test(value);
};

async function effectsFor(core: IdentityCore, request: Request): Promise<Effect[]> {
  const { query } = request;
  const effective = isTrue(request, 'effective');
  refuseContradictions(query, effective);
  let effects: Effect[] = await core.db
    .selectFrom('identity_assignment')
    .selectAll()
    .orderBy('actor_id')
    .limit(core.settings.listMax * 10)
    .execute();
  if (effective)
    effects = await implied(core, await perUser(core, await perProject(core, effects)));
  const tree = isTrue(request, 'include_subtree')
    ? await descendantsOf(core.db, [query.get('scope.project.id') ?? ''])
    : [];
  const inTree = new Set([query.get('scope.project.id'), ...tree.map((row) => row.id)]);
  const inDomain = await projectsOfDomain(core, domainOf(request));
  return effects.filter(
    (row) =>
      matches(query.get('user.id'), row.actor_type === 'user' ? row.actor_id : undefined) &&
      matches(query.get('group.id'), row.actor_type === 'group' ? row.actor_id : undefined) &&
      matches(query.get('role.id'), row.role_id) &&
      (!query.has('scope.project.id') ||
        (row.target_type === 'project' && inTree.has(row.target_id))) &&
      matches(
        query.get('scope.domain.id'),
        row.target_type === 'domain' ? row.target_id : undefined,
      ) &&
      (!query.has('scope.system') || row.target_type === 'system') &&
      isInherited(row, query.get('scope.OS-INHERIT:inherited_to')) &&
      (inDomain === undefined || inDomain.has(row.target_id)),
  );
}

/** Only what is inherited to projects, or with another word, as upstream has it, only what is not. */
function isInherited(row: Effect, wanted: string | null): boolean {
  if (wanted === null) return true;
  const inherited = row.inherited === 1 || row.assignedTo?.inherited === 1;
  return inherited === (wanted === 'projects');
}

/** An assignment has one actor and one target, and taking effect it is of a user and where it counts. */
function refuseContradictions(query: URLSearchParams, effective: boolean): void {
  const refuse = (detail: string) => identityFailure('schema-invalid', { detail });
  const both = (one: string, other: string) =>
    (query.get(one) ?? '') !== '' && (query.get(other) ?? '') !== '';
  if (both('scope.domain.id', 'scope.project.id'))
    throw refuse('Specify a domain or project, not both');
  if (both('scope.domain.id', 'scope.system')) throw refuse('Specify system or domain, not both');
  if (both('scope.project.id', 'scope.system')) throw refuse('Specify system or project, not both');
  if (both('user.id', 'group.id')) throw refuse('Specify a user or group, not both');
  const inherited = query.get('scope.OS-INHERIT:inherited_to');
  if (effective && query.has('group.id'))
    throw refuse('Combining effective and group filter will always result in an empty list.');
  if (effective && inherited === 'projects' && query.has('scope.domain.id'))
    throw refuse(
      'Combining effective, domain and inherited filters will always result in an empty list.',
    );
}

const matches = (wanted: string | null, value: string | undefined) =>
  wanted === null || wanted === value;

async function projectsOfDomain(core: IdentityCore, domainId: string | undefined) {
  if (domainId === undefined) return undefined;
  const rows = await core.db
    .selectFrom('identity_project')
    .select('id')
    .where('domain_id', '=', domainId)
    .execute();
  return new Set([domainId, ...rows.map((row) => row.id)]);
}

/** An inherited assignment takes effect on every project below. */
async function perProject(core: IdentityCore, effects: readonly Effect[]): Promise<Effect[]> {
  const result: Effect[] = [];
  for (const effect of effects) {
    if (effect.inherited === 0) {
      result.push(effect);
      continue;
    }
    for (const project of await descendantsOf(core.db, [effect.target_id])) {
      result.push({
        ...effect,
        target_type: 'project',
        target_id: project.id,
        inherited: 0,
        assignedTo: effect,
      });
    }
  }
  return result;
}

/** A group's assignment takes effect for every member. */
async function perUser(core: IdentityCore, effects: readonly Effect[]): Promise<Effect[]> {
  const members = await core.db.selectFrom('identity_membership').selectAll().execute();
  return effects.flatMap((effect) =>
    effect.actor_type === 'user'
      ? [effect]
      : members
          .filter((member) => member.group_id === effect.actor_id)
          .map((member) => ({
            ...effect,
            actor_type: 'user' as const,
            actor_id: member.user_id,
            membershipOf: effect.actor_id,
          })),
  );
}

async function implied(core: IdentityCore, effects: readonly Effect[]): Promise<Effect[]> {
  const expansions = new Map<string, readonly { id: string }[]>();
  const result = new Map<string, Effect>();
  for (const effect of effects) {
    const roles =
      expansions.get(effect.role_id) ?? (await expandImplied(core.db, [effect.role_id]));
    expansions.set(effect.role_id, roles);
    for (const role of roles) {
      const made =
        role.id === effect.role_id
          ? effect
          : { ...effect, role_id: role.id, priorRoleId: effect.role_id };
      const key = JSON.stringify([made.actor_id, made.target_type, made.target_id, role.id]);
      // The direct assignment explains itself better than the implied one.
      if (!result.has(key) || made.priorRoleId === undefined) result.set(key, made);
    }
  }
  return [...result.values()];
}

interface Named {
  readonly id: string;
  readonly name?: string;
  readonly domain?: { readonly id: string; readonly name: string } | undefined;
}
type Namer = (type: 'user' | 'group' | 'project' | 'role', id: string) => Named;

async function show(
  core: IdentityCore,
  request: Request,
  effects: readonly Effect[],
): Promise<View[]> {
  const namer = isTrue(request, 'include_names') ? await namesFrom(core) : undefined;
  const refer: Namer = (type, id) => namer?.(type, id) ?? { id };
  return effects.map((effect) => ({
    role: refer('role', effect.role_id),
    [effect.actor_type]: refer(effect.actor_type, effect.actor_id),
    scope: scopeView(effect, refer),
    links: linksOf(request, effect),
  }));
}

function scopeView(effect: Effect, refer: Namer): View {
  const inherited = effect.inherited === 1 ? { 'OS-INHERIT:inherited_to': 'projects' } : {};
  if (effect.target_type === 'system') return { system: { all: true } };
  const { domain, ...rest } = refer('project', effect.target_id);
  const shown =
    effect.target_type === 'domain' || domain === undefined ? rest : { ...rest, domain };
  return { [effect.target_type]: shown, ...inherited };
}

function linksOf(request: Request, effect: Effect): View {
  const source = effect.assignedTo ?? effect;
  const target =
    source.target_type === 'system' ? 'system' : `${source.target_type}s/${source.target_id}`;
  const actor =
    effect.membershipOf === undefined
      ? `${effect.actor_type}s/${effect.actor_id}`
      : `groups/${effect.membershipOf}`;
  const role = effect.priorRoleId ?? effect.role_id;
  const inherit = source.inherited === 1;
  const path = `${inherit ? '/OS-INHERIT' : ''}/${target}/${actor}/roles/${role}${inherit ? '/inherited_to_projects' : ''}`;
  const base = `${request.baseUrl}/v3`;
  return {
    assignment: `${base}${path}`,
    ...(effect.membershipOf === undefined
      ? {}
      : { membership: `${base}/groups/${effect.membershipOf}/users/${effect.actor_id}` }),
    ...(effect.priorRoleId === undefined
      ? {}
      : { prior_role: `${base}/prior_role/${effect.priorRoleId}/implies/${effect.role_id}` }),
  };
}

async function namesFrom(core: IdentityCore): Promise<Namer> {
  const { db } = core;
  const columns = ['id', 'name', 'domain_id'] as const;
  const rows = {
    user: await db.selectFrom('identity_user').select(columns).execute(),
    group: await db.selectFrom('identity_group').select(columns).execute(),
    project: await db.selectFrom('identity_project').select(columns).execute(),
    role: await db.selectFrom('identity_role').select(columns).execute(),
  };
  const byId = new Map(
    Object.entries(rows).flatMap(([type, list]) => list.map((row) => [`${type} ${row.id}`, row])),
  );
  return (type, id) => {
    const row = byId.get(`${type} ${id}`);
    const domain = byId.get(`project ${row?.domain_id}`);
    const named = { id, name: row?.name ?? '' };
    return domain === undefined
      ? named
      : { ...named, domain: { id: domain.id, name: domain.name } };
  };
}
