/** The five routes of a resource, and those of its tags, made of its declaration. */
import Type from 'typebox';
import type { ApiReply, Caller, Route } from '#cloud/api';
import { type Asker, askerOf, type Request, route } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import { type Input, readBody } from './attributes.ts';
import type { Kind, Kinds } from './documents.ts';
import { listResources, withFields } from './listing.ts';
import { enforceChange, getVisible, readable, targetsOf } from './policing.ts';
import type { Resource, View } from './resource.ts';
import type { Tx } from './store.ts';

export const AnyBody = Type.Object({});

export function param(request: Request, name: string): string {
  return request.params[name] ?? '';
}

export function resourceRoutes<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
): Route<Caller>[] {
  const { path, member, collection } = resource;
  const one = `${path}/:id`;
  const routes = [
    route({
      method: 'GET',
      path,
      policy: 'any-token',
      handle: async (request) => {
        const { views, links } = await listResources(core, resource, request, askerOf(request));
        return {
          body: {
            [collection]: views.map((view) => withFields(view, request.query)),
            ...(links.length === 0 ? {} : { [`${collection}_links`]: links }),
          },
        };
      },
    }),
    route({
      method: 'GET',
      path: one,
      policy: 'any-token',
      handle: async (request) => {
        const asker = askerOf(request);
        const { document, view, target } = await getVisible(
          core,
          core.db,
          resource,
          param(request, 'id'),
          asker,
        );
        checkParent(resource, request, document);
        const shown = readable(resource, view, target, asker);
        return { body: { [member]: withFields(shown, request.query) } };
      },
    }),
  ];
  if (resource.create !== undefined)
    routes.push(
      route({
        method: 'POST',
        path,
        policy: 'any-token',
        body: AnyBody,
        bodyBytesMax: 1024 * 1024,
        handle: (request) => createResources(core, resource, request),
      }),
    );
  if (resource.update !== undefined)
    routes.push(
      route({
        method: 'PUT',
        path: one,
        policy: 'any-token',
        body: AnyBody,
        handle: (request) => updateResource(core, resource, request),
      }),
    );
  if (resource.remove !== undefined)
    routes.push(
      route({
        method: 'DELETE',
        path: one,
        policy: 'any-token',
        handle: (request) => removeResource(core, resource, request),
      }),
    );
  return routes;
}

/** A child whose path names another parent is not there. */
function checkParent<K extends Kind>(
  resource: Resource<K>,
  request: Request,
  document: Kinds[K],
): void {
  const by = resource.within?.(request.params).by ?? {};
  for (const [name, value] of Object.entries(by)) {
    const held: unknown = Reflect.get(document, name) ?? Reflect.get(document, 'policyId');
    if (held !== value) throw fail('resource-not-found', 'The resource could not be found.');
  }
}

async function createResources<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
  request: Request,
): Promise<ApiReply> {
  const asker = askerOf(request);
  const { member, collection } = resource;
  const body = request.body as Input;
  const many = Object.hasOwn(body, collection);
  const given = many ? body[collection] : [body[member]];
  if (!Array.isArray(given) || given.length === 0 || given[0] === undefined)
    throw badRequest(many ? 'Resources required' : `Unable to find '${member}' in request body`);
  if (given.length > core.settings.bulkMax)
    throw badRequest(`At most ${core.settings.bulkMax} resources in one request`);
  const bodies = given.map((one) => readBody(resource.attributes, one, 'post'));
  const lock = bodies
    .map(({ values }) => resource.lock?.(values, asker))
    .find((one) => one !== undefined);
  const made = await core.change(async (tx) => {
    const documents: Kinds[K][] = [];
    for (const read of bodies)
      documents.push(await createOne(core, resource, tx, read, asker, request.params));
    return documents;
  }, lock);
  const views = await viewsOf(core, resource, made, asker);
  return { status: 201, body: many ? { [collection]: views } : { [member]: views[0] } };
}

async function createOne<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
  tx: Tx,
  read: ReturnType<typeof readBody>,
  asker: Asker,
  params: Readonly<Record<string, string>>,
): Promise<Kinds[K]> {
  const projectId = read.values.project_id ?? asker.projectId;
  if (projectId === undefined || projectId === '')
    if (read.values.project_id === undefined)
      throw badRequest('Running without keystone AuthN requires that tenant_id is specified');
  const values = { ...read.values, project_id: projectId };
  const target = await targetOfValues(resource, tx, { ...values, ...params }, asker);
  enforceChange(resource, 'create', target, read.explicit, asker);
  if (resource.create === undefined) throw badRequest('Cannot be created');
  const document = await resource.create(tx, values, { asker, explicit: read.explicit }, params);
  await announce(core, tx, resource, document, asker, 'create');
  return document;
}

async function targetOfValues<K extends Kind>(
  resource: Resource<K>,
  tx: Tx,
  values: Input,
  asker: Asker,
): Promise<View> {
  // Targets read only the ids that values and documents have in common.
  const [more = {}] = (await resource.targets?.(tx, [values as Partial<Kinds[K]>], asker)) ?? [];
  return { ...values, tenant_id: values.project_id, ...more };
}

async function viewsOf<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
  documents: readonly Kinds[K][],
  asker: Asker,
): Promise<View[]> {
  const views = await resource.views(core.db, documents, asker);
  const targets = await targetsOf(core.db, resource, documents, views, asker);
  return views.map((view, at) => readable(resource, view, targets[at] ?? {}, asker));
}

async function updateResource<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
  request: Request,
): Promise<ApiReply> {
  const asker = askerOf(request);
  const id = param(request, 'id');
  const { member } = resource;
  const body = (request.body as Input)[member];
  if (body === undefined) throw badRequest(`Unable to find '${member}' in request body`);
  const { values, explicit } = readBody(resource.attributes, body, 'put');
  const after = await core.change(
    async (tx) => {
      const { document, target } = await getVisible(core, tx, resource, id, asker);
      checkParent(resource, request, document);
      enforceChange(resource, 'update', { ...target, ...values }, explicit, asker);
      checkRevision(request, document);
      if (resource.update === undefined) throw badRequest('Cannot be updated');
      const changed = await resource.update(tx, document, values, { asker, explicit });
      await announce(core, tx, resource, changed, asker, 'update');
      return changed;
    },
    resource.lock?.(values, asker),
  );
  const [view] = await viewsOf(core, resource, [after], asker);
  return { body: { [member]: view } };
}

async function removeResource<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
  request: Request,
): Promise<ApiReply> {
  const asker = askerOf(request);
  await core.change(async (tx) => {
    const { document, target } = await getVisible(core, tx, resource, param(request, 'id'), asker);
    checkParent(resource, request, document);
    const rule = `delete_${resource.rule}`;
    if (!asker.may(rule, target))
      throw fail('policy-not-authorized', `rule:${rule} is disallowed by policy`);
    checkRevision(request, document);
    await resource.remove?.(tx, document, { asker, explicit: new Set() });
    await announce(core, tx, resource, document, asker, 'delete');
  });
  return { status: 204 };
}

/** `If-Match: revision_number=3`: only when nobody was faster. */
export function checkRevision(request: Request, document: { revision: number }): void {
  const given = request.headers['if-match'];
  if (given === undefined) return;
  const wanted = /^"?revision_number=(\d{1,15})"?$/.exec(given)?.[1];
  if (wanted === undefined) throw badRequest(`Invalid value for If-Match: ${given.slice(0, 64)}`);
  if (Number(wanted) !== document.revision)
    throw fail(
      'revision-number-constraint-failed',
      `Constrained to ${wanted}, but current revision is ${document.revision}`,
    );
}

export async function announce<K extends Kind>(
  core: NetworkCore,
  tx: Tx,
  resource: Pick<Resource<K>, 'kind'>,
  document: Kinds[K],
  asker: Asker,
  verb: string,
): Promise<void> {
  await core.emit(tx, {
    type: `network.${resource.kind}.${verb}`,
    resource: { type: resource.kind, id: document.id },
    projectId: document.project_id,
    userId: asker.userId,
    requestId: asker.requestId,
  });
}
