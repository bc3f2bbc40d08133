/** Tags of any resource: words that users put on things to find them again. */
import Type from 'typebox';
import type { Caller, Route } from '#cloud/api';
import { askerOf, type Request, route } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import { fail } from '../failures.ts';
import type { Kind, Kinds } from './documents.ts';
import { getVisible } from './policing.ts';
import type { Resource } from './resource.ts';
import { param } from './routes.ts';

const tagLengthMax = 60;
const tagsMax = 50;

export function tagRoutes<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
): Route<Caller>[] {
  const path = `${resource.path}/:id/tags`;
  const one = `${path}/:tag`;
  const see = (request: Request) =>
    getVisible(core, core.db, resource, param(request, 'id'), askerOf(request));
  const set = (request: Request, next: (tags: readonly string[]) => readonly string[]) =>
    changeTags(core, resource, request, next);
  return [
    route({
      method: 'GET',
      path,
      policy: 'any-token',
      handle: async (request) => ({ body: { tags: tagsOf((await see(request)).document) } }),
    }),
    route({
      method: 'GET',
      path: one,
      policy: 'any-token',
      handle: async (request) => {
        if (tagsOf((await see(request)).document).includes(param(request, 'tag')))
          return { status: 204 };
        throw tagMissing(param(request, 'tag'));
      },
    }),
    route({
      method: 'PUT',
      path,
      policy: 'any-token',
      body: Type.Object({
        tags: Type.Array(Type.String({ maxLength: tagLengthMax }), { maxItems: tagsMax }),
      }),
      handle: async (request) => {
        const tags = await set(request, () => [...new Set(request.body.tags)]);
        return { body: { tags } };
      },
    }),
    route({
      method: 'PUT',
      path: one,
      policy: 'any-token',
      handle: async (request) => {
        const tag = param(request, 'tag');
        if (tag.length > tagLengthMax)
          throw fail(
            'http-bad-request',
            `Invalid input for tag. Reason: '${tag.slice(0, tagLengthMax)}' exceeds maximum length of ${tagLengthMax}.`,
          );
        await set(request, (tags) => (tags.includes(tag) ? tags : [...tags, tag]));
        return { status: 201 };
      },
    }),
    route({
      method: 'DELETE',
      path,
      policy: 'any-token',
      handle: async (request) => {
        await set(request, () => []);
        return { status: 204 };
      },
    }),
    route({
      method: 'DELETE',
      path: one,
      policy: 'any-token',
      handle: async (request) => {
        const tag = param(request, 'tag');
        await set(request, (tags) => {
          if (!tags.includes(tag)) throw tagMissing(tag);
          return tags.filter((held) => held !== tag);
        });
        return { status: 204 };
      },
    }),
  ];
}

const tagsOf = (document: { readonly tags?: readonly string[] }) => document.tags ?? [];

const tagMissing = (tag: string) =>
  fail('tag-not-found', `Tag ${tag.slice(0, tagLengthMax)} could not be found.`);

async function changeTags<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
  request: Request,
  next: (tags: readonly string[]) => readonly string[],
): Promise<readonly string[]> {
  const asker = askerOf(request);
  return await core.change(async (tx) => {
    const { document, target } = await getVisible(core, tx, resource, param(request, 'id'), asker);
    if (!asker.may(`update_${resource.rule}`, target))
      throw fail(
        'policy-not-authorized',
        `rule:update_${resource.rule}_tags is disallowed by policy`,
      );
    const tags = [...next(tagsOf(document))].sort();
    if (tags.length > tagsMax) throw fail('tag-not-allowed', `At most ${tagsMax} tags.`);
    // The tags are a member of every document.
    await core.update(tx, resource.kind, document, { tags } as unknown as Partial<Kinds[K]>);
    return tags;
  });
}
