/** Tags of projects. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import * as fields from '../fields.ts';
import { refuseImmutable } from '../options.ts';
import { found } from '../views.ts';
import { projects, projectTarget, tagsOf } from './projects.ts';

export function projectTagRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const targetOf = async (request: Request) =>
    projectTarget(await projects.find(db, parameter(request, 'project_id')));
  const theProject = (request: Request) => projects.get(db, parameter(request, 'project_id'));
  const setTags = (request: Request, change: (tags: string[]) => string[]) =>
    core.change(async (transaction) => {
      const row = await projects.get(transaction, parameter(request, 'project_id'));
      refuseImmutable(row, { tags: [] }, 'project');
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
