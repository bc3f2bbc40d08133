/** Limits: how much of a service's resource a project or domain may have, of which `registered_limits` are the defaults. */
import Type, { type Static } from 'typebox';
import type { Route } from '../../../api/index.ts';
import { callerOf, type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { LimitRow } from '../../tables.ts';
import { refuseOtherId } from '../collection.ts';
import * as fields from '../fields.ts';
import { findProject } from '../projects/projects.ts';
import { onDuplicate } from '../removal.ts';
import { rowsOf } from '../rows.ts';
import { linked, listReply, type View } from '../views.ts';
import { refuseUnfit } from './limit-model.ts';

export const limits = rowsOf('identity_limit', 'limit');

export interface FullLimit extends LimitRow {
  readonly service_id: string;
  readonly region_id: string;
  readonly resource_name: string;
}

const fullLimits = (db: Db) =>
  db
    .selectFrom('identity_limit')
    .innerJoin(
      'identity_registered_limit',
      'identity_registered_limit.id',
      'identity_limit.registered_limit_id',
    )
    .selectAll('identity_limit')
    .select(['service_id', 'region_id', 'resource_name'])
    .orderBy('identity_limit.id');

const limitView = (row: FullLimit): View => ({
  id: row.id,
  project_id: row.target_type === 'project' ? row.target_id : null,
  domain_id: row.target_type === 'domain' ? row.target_id : null,
  service_id: row.service_id,
  region_id: row.region_id === '' ? null : row.region_id,
  resource_name: row.resource_name,
  resource_limit: row.resource_limit,
  description: row.description,
});

export async function limitViewsOf(db: Db, targetId: string): Promise<View[]> {
  const rows = await fullLimits(db).where('target_id', '=', targetId).execute();
  return rows.map(limitView);
}

export const limitValue = Type.Integer({ minimum: -1, maximum: 0x7fff_ffff });
export const resourceName = Type.String({ minLength: 1, maxLength: 255 });

const newLimit = Type.Object(
  {
    project_id: Type.Optional(fields.id),
    domain_id: Type.Optional(fields.id),
    service_id: fields.id,
    region_id: Type.Optional(fields.nullable(Type.String({ maxLength: 255 }))),
    resource_name: resourceName,
    resource_limit: limitValue,
    description: Type.Optional(fields.nullable(fields.text)),
  },
  { additionalProperties: false },
);

export function limitRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const theLimit = async (request: Request, from: Db = db): Promise<FullLimit> => {
    const id = parameter(request, 'limit_id');
    const row = await fullLimits(from).where('identity_limit.id', '=', id).executeTakeFirst();
    if (row === undefined) throw identityFailure('limit-missing', { what: 'limit', id });
    return row;
  };
  const show = (request: Request, row: FullLimit) => linked(request, 'limits', limitView(row));
  const targetOf = async (request: Request) => {
    const id = parameter(request, 'limit_id');
    const row = await limits.find(db, id);
    const project = row && (await findProject(db, row.target_id));
    return {
      target: {
        limit: project && {
          project: { id: project.id, domain_id: project.domain_id ?? project.id },
          project_id: project.id,
          domain: { id: project.domain_id ?? project.id },
          domain_id: project.domain_id ?? project.id,
        },
      },
    };
  };
  return [
    route({
      method: 'GET',
      path: '/v3/limits/model',
      policy: 'identity:get_limit_model',
      handle: () => ({
        body: {
          model: {
            name: core.settings.limitModel,
            description: modelsSaid[core.settings.limitModel],
          },
        },
      }),
    }),
    route({
      method: 'GET',
      path: '/v3/limits',
      policy: 'identity:list_limits',
      handle: async (request) => {
        const rows = await fullLimits(db).execute();
        const mine = await visibleTo(request, db);
        const names = ['service_id', 'region_id', 'resource_name', 'project_id', 'domain_id'];
        const views = rows
          .filter((row) => mine(row.target_id))
          .map((row) => show(request, row))
          .filter((view) => names.every((name) => fields.isWanted(view, request.query, name)));
        return listReply(request, 'limits', views);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/limits',
      policy: 'identity:create_limits',
      body: Type.Object({ limits: Type.Array(newLimit, { minItems: 1, maxItems: 1000 }) }),
      handle: async (request) => {
        const rows = await core.change(async (transaction) => {
          const made: FullLimit[] = [];
          for (const given of request.body.limits)
            made.push(await limitFrom(core, given, transaction));
          await refuseUnfit(core, made, transaction);
          for (const row of made) {
            const { service_id: _, region_id: __, resource_name: name, ...stored } = row;
            await onDuplicate('limit', name, () =>
              transaction.insertInto('identity_limit').values(stored).execute(),
            );
          }
          return made;
        });
        return { status: 201, body: { limits: rows.map((row) => show(request, row)) } };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/limits/:limit_id',
      policy: 'identity:get_limit',
      target: targetOf,
      handle: async (request) => ({ body: { limit: show(request, await theLimit(request)) } }),
    }),
    route({
      method: 'PATCH',
      path: '/v3/limits/:limit_id',
      policy: 'identity:update_limit',
      body: Type.Object({
        limit: Type.Object(
          {
            id: Type.Optional(fields.id),
            resource_limit: Type.Optional(limitValue),
            description: Type.Optional(fields.nullable(fields.text)),
          },
          { additionalProperties: false },
        ),
      }),
      handle: async (request) => {
        const { limit } = request.body;
        const row = await core.change(async (transaction) => {
          const before = await theLimit(request, transaction);
          refuseOtherId(limit, before.id);
          const after = {
            ...before,
            resource_limit: limit.resource_limit ?? before.resource_limit,
            description: fields.changed(limit.description, before.description),
          };
          await refuseUnfit(core, [after], transaction);
          await transaction
            .updateTable('identity_limit')
            .set({ resource_limit: after.resource_limit, description: after.description })
            .where('id', '=', after.id)
            .execute();
          return after;
        });
        return { body: { limit: show(request, row) } };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/limits/:limit_id',
      policy: 'identity:delete_limit',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const { id } = await theLimit(request, transaction);
          await limits.remove(transaction, id);
        });
        return { status: 204 };
      },
    }),
  ];
}

const modelsSaid = {
  flat: 'Limit enforcement and validation does not take project hierarchy into consideration.',
  strict_two_level: 'This model requires project hierarchy never exceeds a depth of two',
} as const;

/** A system sees all limits, a domain its own and its projects', a project its own. */
async function visibleTo(request: Request, db: Db): Promise<(targetId: string) => boolean> {
  const { scope } = callerOf(request).info;
  if (scope.kind === 'system') return () => true;
  if (scope.kind === 'project') {
    // Administrators of the cloud work in a project, here as everywhere.
    if (request.may('admin_required')) return () => true;
    return (targetId) => targetId === scope.id;
  }
  if (scope.kind === 'unscoped') return () => false;
  const rows = await db
    .selectFrom('identity_project')
    .select('id')
    .where('domain_id', '=', scope.id)
    .execute();
  const ids = new Set([scope.id, ...rows.map((row) => row.id)]);
  return (targetId) => ids.has(targetId);
}

async function limitFrom(
  core: IdentityCore,
  given: Static<typeof newLimit>,
  db: Db,
): Promise<FullLimit> {
  const refuse = (attribute: string) =>
    identityFailure('schema-invalid', { detail: `Expecting to find valid ${attribute} in limit.` });
  const { project_id: projectId, domain_id: domainId } = given;
  const targetId = projectId ?? domainId;
  if (targetId === undefined || (projectId !== undefined && domainId !== undefined))
    throw refuse('project_id or domain_id');
  const target = await findProject(db, targetId);
  if (target === undefined) throw refuse(projectId === undefined ? 'domain_id' : 'project_id');
  if (domainId !== undefined && target.is_domain === 0) throw refuse('domain_id');
  const registered = await db
    .selectFrom('identity_registered_limit')
    .selectAll()
    .where('service_id', '=', given.service_id)
    .where('region_id', '=', given.region_id ?? '')
    .where('resource_name', '=', given.resource_name)
    .executeTakeFirst();
  if (registered === undefined)
    throw identityFailure('forbidden', {
      why: 'Unable to create a limit that has no corresponding registered limit.',
    });
  return {
    id: core.newId(),
    registered_limit_id: registered.id,
    target_type: target.is_domain === 1 ? 'domain' : 'project',
    target_id: target.id,
    description: given.description ?? null,
    resource_limit: given.resource_limit,
    service_id: registered.service_id,
    region_id: registered.region_id,
    resource_name: registered.resource_name,
  };
}
