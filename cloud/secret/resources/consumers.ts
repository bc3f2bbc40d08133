/** Who uses a secret (since 1.1) or a container: registered so that nobody deletes what is in use unknowingly. */
import Type from 'typebox';
import type { ApiReply, PolicyTarget, Route, VersionRange } from '#cloud/api';
import {
  callerOf,
  isUuid,
  json,
  parameter,
  projectOf,
  type Request,
  route,
  type SecretCaller,
} from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { missing, secretFailure } from '../failures.ts';
import { pageReply, pagingOf } from '../paging.ts';
import { hold } from '../quotas.ts';
import {
  consumersOf,
  containerOf,
  containerTarget,
  membersOf,
  secretOf,
  secretTarget,
} from '../rows.ts';
import type { ConsumerRow } from '../tables.ts';
import {
  containerConsumerView,
  containerView,
  refOf,
  secretConsumerView,
  secretView,
} from '../views.ts';

type Fields = Pick<ConsumerRow, 'name' | 'kind' | 'target'>;

interface Owner {
  readonly collection: 'secrets' | 'containers';
  readonly rules: 'secret_consumers' | 'container_consumers';
  readonly path: string;
  readonly versions?: VersionRange;
  row(request: Request): Promise<{ readonly id: string; readonly project_id: string }>;
  target(request: Request): Promise<PolicyTarget>;
  view(row: ConsumerRow): object;
  /** The owner as it is afterwards. */
  whole(request: Request): Promise<object>;
}

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const ofSecret = Type.Object({
  service: text(255),
  resource_type: text(255),
  resource_id: text(255),
});
const ofContainer = Type.Object({ name: text(36), URL: text(255) });

export function consumerRoutes(core: SecretCore): Route<SecretCaller>[] {
  const secrets: Owner = {
    collection: 'secrets',
    rules: 'secret_consumers',
    path: '/v1/secrets/:secret_id/consumers',
    versions: { from: '1.1' },
    row: (request) => secretOf(core, request),
    target: secretTarget(core),
    view: secretConsumerView,
    whole: async (request) => {
      const row = await secretOf(core, request);
      return secretView(request, row, await consumersOf(core.db, row.id));
    },
  };
  const containers: Owner = {
    collection: 'containers',
    rules: 'container_consumers',
    path: '/v1/containers/:container_id/consumers',
    row: (request) => containerOf(core, request),
    target: containerTarget(core),
    view: containerConsumerView,
    whole: async (request) => {
      const row = await containerOf(core, request);
      const consumers = await consumersOf(core.db, row.id);
      return containerView(request, row, await membersOf(core.db, row.id), consumers);
    },
  };
  return [
    ...readRoutes(core, secrets),
    ...readRoutes(core, containers),
    ...(['POST', 'DELETE'] as const).flatMap((method) => {
      const change = method === 'POST' ? addConsumer : removeConsumer;
      return [
        route({
          ...changeOf(secrets, method),
          body: ofSecret,
          handle: ({ body, ...request }) =>
            change(core, secrets, { ...request, body } as Request, {
              name: body.service,
              kind: body.resource_type,
              target: body.resource_id,
            }),
        }),
        route({
          ...changeOf(containers, method),
          body: ofContainer,
          handle: ({ body, ...request }) =>
            change(core, containers, { ...request, body } as Request, {
              name: body.name,
              kind: '',
              target: body.URL,
            }),
        }),
      ];
    }),
  ];
}

function changeOf(owner: Owner, method: 'POST' | 'DELETE') {
  const { path, rules, target, versions } = owner;
  return {
    method,
    path,
    policy: `${rules}:${method.toLowerCase()}`,
    mediaTypes: json,
    target: (request: Request) => target(request),
    ...(versions === undefined ? {} : { versions }),
  };
}

function readRoutes(core: SecretCore, owner: Owner): Route<SecretCaller>[] {
  const { path, rules, target, versions } = owner;
  const common = {
    method: 'GET',
    target,
    ...(versions === undefined ? {} : { versions }),
  } as const;
  return [
    route({
      ...common,
      path,
      policy: `${rules}:get`,
      handle: (request) => listConsumers(core, owner, request),
    }),
    route({
      ...common,
      path: `${path}/:consumer_id`,
      // Upstream's rule for one of them knows containers only.
      policy: owner.collection === 'secrets' ? `${rules}:get` : 'consumer:get',
      handle: async (request) => {
        const id = parameter(request, 'consumer_id');
        if (!isUuid(id)) throw missing('Not Found. Provided consumer id is invalid.');
        const { id: ownerId } = await owner.row(request);
        const found = (await consumersOf(core.db, ownerId)).find((row) => row.id === id);
        if (found === undefined) throw noConsumer();
        return { body: owner.view(found) };
      },
    }),
  ];
}

const noConsumer = () => missing('Consumer not found.');

async function listConsumers(core: SecretCore, owner: Owner, request: Request): Promise<ApiReply> {
  const page = pagingOf(core, request);
  const { id } = await owner.row(request);
  const all = await consumersOf(core.db, id);
  const entries = all.slice(page.offset, page.offset + page.limit).map(owner.view);
  const path = `${owner.collection}/${id}/consumers`;
  return pageReply(request, path, 'consumers', { ...page, total: all.length, entries });
}

/** Registering twice is registering once. */
export async function registerConsumer(
  core: SecretCore,
  owner: { readonly id: string; readonly projectId: string },
  fields: Fields,
): Promise<void> {
  const now = core.nowUs();
  await core.changeOf(owner.projectId, async (tx) => {
    const present = (await consumersOf(tx, owner.id)).find((row) => isSame(row, fields));
    if (present !== undefined) return;
    const id = core.newId();
    await hold(core, tx, owner.projectId, 'consumers', id);
    await tx
      .insertInto('secret_consumer')
      .values({
        id,
        owner_id: owner.id,
        project_id: owner.projectId,
        ...fields,
        created_at_us: now,
        updated_at_us: now,
      })
      .execute();
  });
}

const isSame = (row: ConsumerRow, { name, kind, target }: Fields) =>
  row.name === name && row.kind === kind && row.target === target;

async function addConsumer(
  core: SecretCore,
  owner: Owner,
  request: Request,
  fields: Fields,
): Promise<ApiReply> {
  const { id } = await owner.row(request);
  await registerConsumer(core, { id, projectId: projectOf(request) }, fields);
  const headers = { Location: `${refOf(request, owner.collection, id)}/consumers` };
  return { headers, body: await owner.whole(request) };
}

async function removeConsumer(
  core: SecretCore,
  owner: Owner,
  request: Request,
  fields: Fields,
): Promise<ApiReply> {
  const { id, project_id: ownerProject } = await owner.row(request);
  const caller = callerOf(request);
  await core.change(async (tx) => {
    const found = (await consumersOf(tx, id)).find((row) => isSame(row, fields));
    if (found === undefined) throw noConsumer();
    if (found.project_id !== caller.projectId && ownerProject !== caller.projectId)
      throw secretFailure('forbidden', {
        why: 'Not Allowed. Sorry, only the creator of a consumer can delete it.',
      });
    await tx.deleteFrom('secret_consumer').where('id', '=', found.id).execute();
    await core.quotas.release(tx, found.id);
  });
  return { body: await owner.whole(request) };
}
