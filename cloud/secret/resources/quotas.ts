/** Quotas: a project's own as they are in force, and what administrators have set for projects. */
import Type from 'typebox';
import type { ApiReply, Route } from '#cloud/api';
import { json, parameter, projectOf, type Request, route, type SecretCaller } from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { invalid, missing } from '../failures.ts';
import { pageReply, pagingOf } from '../paging.ts';
import { counted, quotaService, resourceOf } from '../quotas.ts';

// Upstream counts certificate authorities too, of which there are none here: their limit can be kept, and limits nothing.
const names = [...counted] as const;
const amount = Type.Optional(Type.Integer({ minimum: -1, maximum: Number.MAX_SAFE_INTEGER }));
const body = Type.Object(
  {
    project_quotas: Type.Object(
      { secrets: amount, orders: amount, containers: amount, consumers: amount, cas: amount },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

export function quotaRoutes(core: SecretCore): Route<SecretCaller>[] {
  const path = '/v1/project-quotas/:project_id';
  return [
    route({
      method: 'GET',
      path: '/v1/quotas',
      policy: 'quotas:get',
      handle: async (request) => {
        const usage = await core.quotas.usage(projectOf(request), quotaService);
        const limits = names.map((name) => [name, usage[resourceOf(name)]?.limit ?? -1]);
        return { body: { quotas: { ...Object.fromEntries(limits), cas: -1 } } };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/project-quotas',
      policy: 'project_quotas:get',
      handle: (request) => listQuotas(core, request),
    }),
    route({
      method: 'GET',
      path,
      policy: 'project_quotas:get',
      handle: async (request) => {
        const found = await quotasOf(core, parameter(request, 'project_id'));
        if (found === undefined) throw missing('Project quotas not found.');
        return { body: { project_quotas: found } };
      },
    }),
    route({
      method: 'PUT',
      path,
      policy: 'project_quotas:put',
      mediaTypes: json,
      body,
      handle: async (request) => {
        const { cas, ...wanted } = request.body.project_quotas;
        if (cas !== undefined && cas !== -1)
          throw invalid('There are no certificate authorities to limit: cas must be -1.');
        // What is not named goes back to the default.
        const limits = names.map((name) => [resourceOf(name), wanted[name]]);
        await core.quotas.setLimits(parameter(request, 'project_id'), Object.fromEntries(limits));
        return { status: 204 };
      },
    }),
    route({
      method: 'DELETE',
      path,
      policy: 'project_quotas:delete',
      handle: async (request) => {
        const projectId = parameter(request, 'project_id');
        if ((await quotasOf(core, projectId)) === undefined)
          throw missing('Project quotas not found.');
        await core.quotas.clearLimits(projectId, quotaService);
        return { status: 204 };
      },
    }),
  ];
}

/** What was set for a project, null where the default counts; undefined when nothing was. */
async function quotasOf(core: SecretCore, projectId: string) {
  const limits = (await core.quotas.listLimits(quotaService)).get(projectId);
  if (limits === undefined) return undefined;
  const own = names.map((name) => [name, limits[resourceOf(name)] ?? null]);
  return { ...Object.fromEntries(own), cas: null };
}

async function listQuotas(core: SecretCore, request: Request): Promise<ApiReply> {
  const page = pagingOf(core, request);
  const scopes = [...(await core.quotas.listLimits(quotaService)).keys()];
  const entries = [];
  for (const scope of scopes.slice(page.offset, page.offset + page.limit))
    entries.push({ project_id: scope, project_quotas: await quotasOf(core, scope) });
  const total = scopes.length;
  return pageReply(request, 'project-quotas', 'project_quotas', { ...page, total, entries });
}
