/** Containers: names for sets of secrets; those of type `rsa` and `certificate` have the members that these need. */
import Type, { type Static } from 'typebox';
import type { ApiReply, Route } from '#cloud/api';
import { callerOf, json, projectOf, type Request, route, type SecretCaller } from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { missing } from '../failures.ts';
import { pageReply, pagingOf } from '../paging.ts';
import { hold } from '../quotas.ts';
import { consumersOf, containerOf, containerTarget, findSecret, membersOf } from '../rows.ts';
import { forgetOwned } from '../store.ts';
import type { ContainerRow } from '../tables.ts';
import { containerView, refOf } from '../views.ts';
import { checkedMembers, type Member } from './container-members.ts';

const body = Type.Object({
  name: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
  type: Type.Enum(['generic', 'rsa', 'certificate']),
  secret_refs: Type.Optional(
    Type.Array(
      Type.Object({
        name: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
        secret_ref: Type.String({ minLength: 1, maxLength: 1024 }),
      }),
    ),
  ),
});

export function containerRoutes(core: SecretCore): Route<SecretCaller>[] {
  const target = containerTarget(core);
  return [
    route({
      method: 'GET',
      path: '/v1/containers',
      policy: 'containers:get',
      handle: (request) => listContainers(core, request),
    }),
    route({
      method: 'POST',
      path: '/v1/containers',
      policy: 'containers:post',
      mediaTypes: json,
      body,
      handle: async (request) => {
        const row = await createContainer(core, request, request.body);
        const ref = refOf(request, 'containers', row.id);
        return { status: 201, headers: { Location: ref }, body: { container_ref: ref } };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/containers/:container_id',
      policy: 'container:get',
      target,
      handle: async (request) => ({
        body: await viewOf(core, request, await containerOf(core, request)),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/v1/containers/:container_id',
      policy: 'container:delete',
      target,
      handle: async (request) => {
        await core.change(async (tx) => {
          const { id } = await containerOf(core, request, tx);
          await forgetOwned(core, tx, id);
          await tx.deleteFrom('secret_container').where('id', '=', id).execute();
          await core.quotas.release(tx, id);
        });
        return { status: 204 };
      },
    }),
  ];
}

async function viewOf(core: SecretCore, request: Request, row: ContainerRow) {
  const members = await membersOf(core.db, row.id);
  return containerView(request, row, members, await consumersOf(core.db, row.id));
}

async function createContainer(
  core: SecretCore,
  request: Request,
  given: Static<typeof body>,
): Promise<ContainerRow> {
  const projectId = projectOf(request);
  const members = checkedMembers(given.type, given.secret_refs ?? [], core.settings.membersMax);
  const now = core.nowUs();
  const row: ContainerRow = {
    id: core.newId(),
    project_id: projectId,
    creator_id: callerOf(request).userId,
    name: given.name?.trim() ?? null,
    type: given.type,
    created_at_us: now,
    updated_at_us: now,
  };
  await insertContainer(core, row, members);
  return row;
}

export async function insertContainer(
  core: SecretCore,
  row: ContainerRow,
  members: readonly Member[],
): Promise<void> {
  await core.changeOf(row.project_id, async (tx) => {
    await hold(core, tx, row.project_id, 'containers', row.id);
    await tx.insertInto('secret_container').values(row).execute();
    for (const { name, secretId } of members) {
      const secret = await findSecret(core, tx, secretId);
      if (secret?.project_id !== row.project_id)
        throw missing(`Secret provided for '${name}' doesn't exist.`);
      await tx
        .insertInto('secret_container_member')
        .values({ container_id: row.id, secret_id: secretId, name })
        .execute();
    }
  });
}

async function listContainers(core: SecretCore, request: Request): Promise<ApiReply> {
  const page = pagingOf(core, request);
  const named = ['name', 'type'] as const;
  let matching = core.db
    .selectFrom('secret_container')
    .where('project_id', '=', projectOf(request));
  for (const column of named) {
    const value = request.query.get(column);
    if (value) matching = matching.where(column, '=', value);
  }
  const { total } = await matching
    .select((build) => build.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const rows = await matching
    .selectAll()
    .orderBy('created_at_us')
    .orderBy('id')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const entries = [];
  for (const row of rows) entries.push(await viewOf(core, request, row));
  return pageReply(request, 'containers', 'containers', {
    ...page,
    total: Number(total),
    entries,
  });
}
