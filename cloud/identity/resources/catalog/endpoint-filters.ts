/** Endpoints chosen for projects (OS-EP-FILTER): one by one, or by groups that filter them. */
import { sql } from 'kysely';
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure, notFound } from '../../failures.ts';
import type { EndpointGroupRow, EndpointRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { projects, projectView } from '../projects/projects.ts';
import { rowsOf } from '../rows.ts';
import { linked, listReply } from '../views.ts';
import { endpoints, endpointView } from './endpoints.ts';

const groups = rowsOf('identity_endpoint_group', 'endpoint group');
const base = '/v3/OS-EP-FILTER';

/** The endpoints chosen for a project; nothing when none are, which means all. */
export async function endpointsOfProject(
  db: Db,
  projectId: string,
): Promise<EndpointRow[] | undefined> {
  const single = await endpoints.list(
    db,
    sql<boolean>`id in (select endpoint_id from identity_project_endpoint where project_id = ${projectId})`,
  );
  const grouped = await groupsOfProject(db, projectId);
  if (single.length === 0 && grouped.length === 0) return undefined;
  const found = new Map(single.map((row) => [row.id, row]));
  for (const group of grouped)
    for (const row of await endpointsOfGroup(db, group)) found.set(row.id, row);
  return [...found.values()];
}

const groupsOfProject = (db: Db, projectId: string): Promise<EndpointGroupRow[]> =>
  groups.list(
    db,
    sql<boolean>`id in (select endpoint_group_id from identity_project_endpoint_group where project_id = ${projectId})`,
  );

async function endpointsOfGroup(db: Db, group: EndpointGroupRow): Promise<EndpointRow[]> {
  const filters = Object.entries(fields.parseExtra(group.filters));
  const all = await endpoints.list(db, sql<boolean>`1 = 1`);
  return all.filter((row) => filters.every(([name, value]) => Reflect.get(row, name) === value));
}

const face = Type.Union([Type.Literal('public'), Type.Literal('internal'), Type.Literal('admin')]);
const filters = Type.Object(
  {
    service_id: Type.Optional(Type.String({ maxLength: 64 })),
    region_id: Type.Optional(Type.String({ maxLength: 255 })),
    interface: Type.Optional(face),
  },
  { additionalProperties: false },
);
const shared = { description: Type.Optional(fields.nullable(fields.text)) };

const groupRoutes = (core: IdentityCore) =>
  collectionRoutes(core, {
    rows: groups,
    plural: 'endpoint_groups',
    member: 'endpoint_group',
    prefix: '/OS-EP-FILTER',
    create: Type.Object({ ...shared, name: fields.name, filters }),
    update: fields.some({
      ...shared,
      name: Type.Optional(fields.name),
      filters: Type.Optional(filters),
    }),
    listing: { filters: { name: 'text' }, sortKeys: ['id', 'name'], defaultSort: 'name' },
    view: (row) => ({ ...row, filters: JSON.parse(row.filters) }),
    fresh: (given) => {
      if (Object.keys(given.filters).length === 0)
        throw identityFailure('schema-invalid', {
          detail: 'filters field is required and cannot be empty',
        });
      return {
        id: core.newId(),
        name: given.name,
        description: given.description ?? null,
        filters: JSON.stringify(given.filters),
      };
    },
    changed: (before, given) => ({
      ...before,
      name: given.name ?? before.name,
      description: fields.changed(given.description, before.description),
      filters:
        given.filters === undefined
          ? before.filters
          : JSON.stringify({ ...fields.parseExtra(before.filters), ...given.filters }),
    }),
  });

type Association = 'identity_project_endpoint' | 'identity_project_endpoint_group';

/** PUT, GET, HEAD and DELETE of one thing chosen for one project. */
function associationRoutes(
  core: IdentityCore,
  of: {
    readonly table: Association;
    readonly column: 'endpoint_id' | 'endpoint_group_id';
    readonly path: string;
    readonly rules: Readonly<Record<'add' | 'check' | 'remove', string>>;
    readonly what: string;
    readonly view?: (request: Request, id: string, projectId: string) => object;
  },
): Route<IdentityCaller>[] {
  const { db } = core;
  const things = of.column === 'endpoint_id' ? endpoints : groups;
  const pair = async (request: Request, from: Db) => {
    const id = parameter(request, of.column);
    const projectId = parameter(request, 'project_id');
    await things.get(from, id);
    await projects.get(from, projectId);
    return { id, projectId };
  };
  const where = ({ id, projectId }: { id: string; projectId: string }) =>
    sql`${sql.ref(of.column)} = ${id} and project_id = ${projectId}`;
  const missing = (request: Request) =>
    notFound(
      of.what,
      `${parameter(request, of.column)} in project ${parameter(request, 'project_id')}`,
    );
  return [
    route({
      method: 'PUT',
      path: of.path,
      policy: of.rules.add,
      handle: async (request) => {
        await core.change(async (transaction) => {
          const { id, projectId } = await pair(request, transaction);
          await sql`insert into ${sql.table(of.table)} (${sql.ref(of.column)}, project_id)
            values (${id}, ${projectId}) on conflict do nothing`.execute(transaction);
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: of.path,
      policy: of.rules.check,
      handle: async (request) => {
        const both = await pair(request, db);
        const held = await sql`select 1 from ${sql.table(of.table)} where ${where(both)}`.execute(
          db,
        );
        if (held.rows.length === 0) throw missing(request);
        return of.view === undefined
          ? { status: 204 }
          : { body: of.view(request, both.id, both.projectId) };
      },
    }),
    route({
      method: 'DELETE',
      path: of.path,
      policy: of.rules.remove,
      handle: async (request) => {
        await core.change(async (transaction) => {
          const both = await pair(request, transaction);
          const gone = await sql`delete from ${sql.table(of.table)} where ${where(both)}`.execute(
            transaction,
          );
          if (gone.numAffectedRows === 0n) throw missing(request);
        });
        return { status: 204 };
      },
    }),
  ];
}

export function endpointFilterRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const show = (request: Request, rows: readonly EndpointRow[]) =>
    listReply(
      request,
      'endpoints',
      rows.map((row) => linked(request, 'endpoints', endpointView(row))),
    );
  const projectsWith = async (request: Request, table: Association, column: string, id: string) => {
    const rows = await projects.list(
      db,
      sql<boolean>`id in (select project_id from ${sql.table(table)} where ${sql.ref(column)} = ${id})`,
      'name',
    );
    return listReply(
      request,
      'projects',
      rows.map((row) => linked(request, 'projects', projectView(row))),
    );
  };
  return [
    ...groupRoutes(core),
    ...associationRoutes(core, {
      table: 'identity_project_endpoint',
      column: 'endpoint_id',
      path: `${base}/projects/:project_id/endpoints/:endpoint_id`,
      what: 'endpoint',
      rules: {
        add: 'identity:add_endpoint_to_project',
        check: 'identity:check_endpoint_in_project',
        remove: 'identity:remove_endpoint_from_project',
      },
    }),
    ...associationRoutes(core, {
      table: 'identity_project_endpoint_group',
      column: 'endpoint_group_id',
      path: `${base}/endpoint_groups/:endpoint_group_id/projects/:project_id`,
      what: 'endpoint group',
      rules: {
        add: 'identity:add_endpoint_group_to_project',
        check: 'identity:get_endpoint_group_in_project',
        remove: 'identity:remove_endpoint_group_from_project',
      },
      view: (request, id, projectId) => ({
        project_endpoint_group: {
          endpoint_group_id: id,
          project_id: projectId,
          links: { self: `${request.baseUrl}${request.url}` },
        },
      }),
    }),
    route({
      method: 'GET',
      path: `${base}/endpoints/:endpoint_id/projects`,
      policy: 'identity:list_projects_for_endpoint',
      handle: async (request) => {
        const { id } = await endpoints.get(db, parameter(request, 'endpoint_id'));
        return projectsWith(request, 'identity_project_endpoint', 'endpoint_id', id);
      },
    }),
    route({
      method: 'GET',
      path: `${base}/projects/:project_id/endpoints`,
      policy: 'identity:list_endpoints_for_project',
      handle: async (request) => {
        const { id } = await projects.get(db, parameter(request, 'project_id'));
        return show(request, (await endpointsOfProject(db, id)) ?? []);
      },
    }),
    route({
      method: 'GET',
      path: `${base}/projects/:project_id/endpoint_groups`,
      policy: 'identity:list_endpoint_groups_for_project',
      handle: async (request) => {
        const { id } = await projects.get(db, parameter(request, 'project_id'));
        const views = (await groupsOfProject(db, id)).map((row) =>
          linked(request, 'OS-EP-FILTER/endpoint_groups', {
            ...row,
            filters: JSON.parse(row.filters),
          }),
        );
        return listReply(request, 'endpoint_groups', views);
      },
    }),
    route({
      method: 'GET',
      path: `${base}/endpoint_groups/:endpoint_group_id/projects`,
      policy: 'identity:list_projects_associated_with_endpoint_group',
      handle: async (request) => {
        const { id } = await groups.get(db, parameter(request, 'endpoint_group_id'));
        const table = 'identity_project_endpoint_group';
        return projectsWith(request, table, 'endpoint_group_id', id);
      },
    }),
    route({
      method: 'GET',
      path: `${base}/endpoint_groups/:endpoint_group_id/endpoints`,
      policy: 'identity:list_endpoints_associated_with_endpoint_group',
      handle: async (request) => {
        const group = await groups.get(db, parameter(request, 'endpoint_group_id'));
        return show(request, await endpointsOfGroup(db, group));
      },
    }),
  ];
}
