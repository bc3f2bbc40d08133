/** Role assignments one by one: a user or group, on a project, a domain or the system, inherited or not. */
import type { Method, Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure, notFound } from '../../failures.ts';
import type { ActorType, AssignmentRow, TargetType } from '../../tables.ts';
import { findDomain } from '../projects/domains.ts';
import { findProject } from '../projects/projects.ts';
import { linked, listReply } from '../views.ts';
import { findRole, roleView } from './roles.ts';

interface GrantKind {
  readonly target: TargetType;
  readonly actor: ActorType;
  readonly inherited: boolean;
}

type Grant = Omit<AssignmentRow, 'role_id'>;

const kinds: readonly GrantKind[] = (['project', 'domain', 'system'] as const).flatMap((target) =>
  (['user', 'group'] as const).flatMap((actor) =>
    [false, true]
      .filter((inherited) => !(inherited && target === 'system'))
      .map((inherited) => ({ target, actor, inherited })),
  ),
);

export function grantRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return kinds.flatMap((kind) => routesOfKind(core, kind));
}

function pathOf(kind: GrantKind): string {
  const target = kind.target === 'system' ? 'system' : `${kind.target}s/:${kind.target}_id`;
  const inherit = kind.inherited ? '/OS-INHERIT' : '';
  return `/v3${inherit}/${target}/${kind.actor}s/:${kind.actor}_id/roles`;
}

function routesOfKind(core: IdentityCore, kind: GrantKind): Route<IdentityCaller>[] {
  const { db } = core;
  const collection = pathOf(kind);
  const member = `${collection}/:role_id`;
  const suffix = kind.inherited ? '/inherited_to_projects' : '';
  const rule = (verb: string, plural = false) =>
    `identity:${verb}_${kind.target === 'system' ? 'system_' : ''}grant${plural ? 's' : ''}`;
  const target = (request: Request) => targetOf(db, request, kind);
  const one = (
    method: Method,
    verb: string,
    handle: (grant: Grant, roleId: string) => Promise<void>,
  ) =>
    route({
      method,
      path: member + suffix,
      policy: rule(verb),
      target,
      handle: async (request) => {
        const grant = await theGrant(db, request, kind);
        const roleId = parameter(request, 'role_id');
        if ((await findRole(db, roleId)) === undefined) throw notFound('role', roleId);
        await handle(grant, roleId);
        return { status: 204 };
      },
    });
  return [
    route({
      method: 'GET',
      path: collection + suffix,
      policy: rule('list', true),
      target,
      handle: async (request) => {
        const grant = await theGrant(db, request, kind);
        const rows = await db
          .selectFrom('identity_role')
          .innerJoin('identity_assignment', 'identity_assignment.role_id', 'identity_role.id')
          .selectAll('identity_role')
          .where((where) => where.and(grant))
          .orderBy('name')
          .execute();
        const views = rows.map((row) => linked(request, 'roles', roleView(row)));
        return listReply(request, 'roles', views);
      },
    }),
    one('GET', 'check', async (grant, roleId) => {
      const row = await db
        .selectFrom('identity_assignment')
        .select('role_id')
        .where((where) => where.and({ ...grant, role_id: roleId }))
        .executeTakeFirst();
      if (row === undefined) throw assignmentMissing(grant, roleId);
    }),
    one('PUT', 'create', async (grant, roleId) => {
      await core.change(async (transaction) => {
        await refuseForeignRole(transaction, grant, roleId);
        await transaction
          .insertInto('identity_assignment')
          .values({ ...grant, role_id: roleId })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      });
    }),
    one('DELETE', 'revoke', async (grant, roleId) => {
      await core.change(async (transaction) => {
        const gone = await transaction
          .deleteFrom('identity_assignment')
          .where((where) => where.and({ ...grant, role_id: roleId }))
          .executeTakeFirst();
        if (gone.numDeletedRows === 0n) throw assignmentMissing(grant, roleId);
      });
    }),
  ];
}

const findActor = (db: Db, type: ActorType, id: string) =>
  db
    .selectFrom(type === 'user' ? 'identity_user' : 'identity_group')
    .select(['id', 'domain_id'])
    .where('id', '=', id)
    .executeTakeFirst();

async function targetOf(db: Db, request: Request, kind: GrantKind) {
  const actor = await findActor(db, kind.actor, parameter(request, `${kind.actor}_id`));
  const role = await findRole(db, request.params.role_id ?? '');
  const project =
    kind.target === 'project' ? await findProject(db, parameter(request, 'project_id')) : undefined;
  const domain =
    kind.target === 'domain' ? await findDomain(db, parameter(request, 'domain_id')) : undefined;
  return {
    target: {
      [kind.actor]: actor,
      project: project && { id: project.id, domain_id: project.domain_id ?? project.id },
      domain: domain && { id: domain.id },
      role: role && { name: role.name, domain_id: role.domain_id === '' ? null : role.domain_id },
    },
  };
}

async function theGrant(db: Db, request: Request, kind: GrantKind): Promise<Grant> {
  const actorId = parameter(request, `${kind.actor}_id`);
  if ((await findActor(db, kind.actor, actorId)) === undefined) throw notFound(kind.actor, actorId);
  const targetId = kind.target === 'system' ? 'system' : parameter(request, `${kind.target}_id`);
  if (kind.target === 'project' && (await findProject(db, targetId)) === undefined)
    throw notFound('project', targetId);
  if (kind.target === 'domain' && (await findDomain(db, targetId)) === undefined)
    throw notFound('domain', targetId);
  return {
    actor_type: kind.actor,
    actor_id: actorId,
    target_type: kind.target,
    target_id: targetId,
    inherited: kind.inherited ? 1 : 0,
  };
}

/** A role of a domain is for that domain and its projects. */
async function refuseForeignRole(db: Db, grant: Grant, roleId: string): Promise<void> {
  const role = await findRole(db, roleId);
  if (role === undefined || role.domain_id === '') return;
  const target = await findProject(db, grant.target_id);
  if ((target?.domain_id ?? target?.id) !== role.domain_id)
    throw identityFailure('forbidden', {
      why: `The target must be in the same domain as the role ${roleId} being assigned.`,
    });
}

const assignmentMissing = (grant: Grant, roleId: string) =>
  notFound(
    'role assignment',
    `role: ${roleId}, user or group: ${grant.actor_id}, project, domain, or system: ${grant.target_id}`,
  );
