/** Server groups: servers that belong on one host, or on different ones. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import {
  type ComputeCaller,
  callerOf,
  compute,
  flagOf,
  parameter,
  projectOf,
  type Request,
} from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { hold } from '../quotas.ts';
import type { GroupRow } from '../tables.ts';
import type { View } from './server-views.ts';

const policies = ['anti-affinity', 'affinity', 'soft-anti-affinity', 'soft-affinity'];
const policyName = Type.Enum(policies);

export function serverGroupRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const policy = (name: string) => `os_compute_api:os-server-groups:${name}`;
  const the = async (request: Request): Promise<GroupRow> => {
    const id = parameter(request, 'group_id');
    const caller = callerOf(request);
    const row = await core.db
      .selectFrom('compute_group')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined || (!caller.isAdmin && row.project_id !== caller.projectId))
      throw computeFailure('missing', { why: `Instance group ${id} could not be found.` });
    return row;
  };
  const target = async (request: Request) => ({ project_id: (await the(request)).project_id });
  return [
    compute({
      method: 'GET',
      path: '/os-server-groups',
      policy: policy('index'),
      handle: async (request) => {
        const all =
          callerOf(request).isAdmin && flagOf(request.query.get('all_projects'), 'all_projects');
        let select = core.db.selectFrom('compute_group').selectAll().orderBy('created_at_us');
        if (!all) select = select.where('project_id', '=', projectOf(request));
        const rows = await select.execute();
        const offset = Number(request.query.get('offset') ?? 0);
        const limit = Number(request.query.get('limit') ?? core.settings.pageMax);
        if (
          !Number.isSafeInteger(offset) ||
          !Number.isSafeInteger(limit) ||
          offset < 0 ||
          limit < 0
        )
          throw refused('limit and offset must be whole numbers');
        const page = rows.slice(offset, offset + (limit || core.settings.pageMax));
        const views = await Promise.all(page.map((row) => view(core, request, row)));
        return { body: { server_groups: views } };
      },
    }),
    compute({
      method: 'POST',
      path: '/os-server-groups',
      policy: policy('create'),
      body: fields.object({
        server_group: fields.object({
          name: fields.name,
          policies: Type.Optional(Type.Array(policyName, { minItems: 1, maxItems: 1 })),
          policy: Type.Optional(policyName),
          rules: Type.Optional(
            fields.object({ max_server_per_host: Type.Optional(fields.count(1)) }),
          ),
        }),
      }),
      handle: async (request) => {
        const { name, policies: older, policy: newer, rules } = request.body.server_group;
        const chosen = request.minor >= 64 ? newer : older?.[0];
        if (chosen === undefined)
          throw computeFailure('schema-invalid', {
            detail: `'${request.minor >= 64 ? 'policy' : 'policies'}' is a required property`,
          });
        if (rules !== undefined && chosen !== 'anti-affinity')
          throw refused('Only anti-affinity policy supports rules.');
        const most = rules?.max_server_per_host;
        const row: GroupRow = {
          id: core.newId(),
          project_id: projectOf(request),
          user_id: callerOf(request).userId,
          name: name.trim(),
          policy: String(chosen),
          rules_json: JSON.stringify(
            most === undefined ? {} : { max_server_per_host: Number(most) },
          ),
          created_at_us: core.clock.nowUs(),
        };
        await core.changeOf(row.project_id, async (transaction) => {
          await hold(
            core,
            transaction,
            { scope: row.project_id, holder: row.id },
            { server_groups: 1 },
          );
          await transaction.insertInto('compute_group').values(row).execute();
        });
        return { body: { server_group: await view(core, request, row) } };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-server-groups/:group_id',
      policy: policy('show'),
      target,
      handle: async (request) => ({
        body: { server_group: await view(core, request, await the(request)) },
      }),
    }),
    compute({
      method: 'DELETE',
      path: '/os-server-groups/:group_id',
      policy: policy('delete'),
      target,
      handle: async (request) => {
        const row = await the(request);
        await core.change(async (transaction) => {
          await transaction.deleteFrom('compute_group').where('id', '=', row.id).execute();
          await transaction
            .updateTable('compute_server')
            .set({ group_id: null })
            .where('group_id', '=', row.id)
            .execute();
          await core.quotas.release(transaction, row.id);
        });
        return { status: 204 };
      },
    }),
  ];
}

async function view(core: ComputeCore, request: Request, row: GroupRow): Promise<View> {
  const members = await core.db
    .selectFrom('compute_server')
    .select('id')
    .where('group_id', '=', row.id)
    .where('deleted_at_us', 'is', null)
    .execute();
  return {
    id: row.id,
    name: row.name,
    members: members.map(({ id }) => id),
    ...(request.minor >= 64
      ? { policy: row.policy, rules: JSON.parse(row.rules_json) as object }
      : { policies: [row.policy], metadata: {} }),
    ...(request.minor >= 13 ? { project_id: row.project_id, user_id: row.user_id } : {}),
  };
}
