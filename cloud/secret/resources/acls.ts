/** Access lists: who beside the project may read a secret or container, and whether the project may. */
import Type, { type Static } from 'typebox';
import type { ApiReply, PolicyTarget, Route } from '#cloud/api';
import { json, type Request, route, type SecretCaller } from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { invalid } from '../failures.ts';
import { aclOf, containerOf, containerTarget, secretOf, secretTarget, usersOf } from '../rows.ts';
import type { AclRow } from '../tables.ts';
import { refOf, timeOf } from '../views.ts';

const body = Type.Object(
  {
    read: Type.Optional(
      Type.Object(
        {
          users: Type.Optional(Type.Array(Type.String({ maxLength: 255 }))),
          'project-access': Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
type Given = Static<typeof body>;

interface Owner {
  readonly collection: 'secrets' | 'containers';
  readonly rules: 'secret_acls' | 'container_acls';
  readonly path: string;
  idOf(request: Request): Promise<string>;
  target(request: Request): Promise<PolicyTarget>;
}

export function aclRoutes(core: SecretCore): Route<SecretCaller>[] {
  return [
    ...routesOf(core, {
      collection: 'secrets',
      rules: 'secret_acls',
      path: '/v1/secrets/:secret_id/acl',
      idOf: async (request) => (await secretOf(core, request)).id,
      target: secretTarget(core),
    }),
    ...routesOf(core, {
      collection: 'containers',
      rules: 'container_acls',
      path: '/v1/containers/:container_id/acl',
      idOf: async (request) => (await containerOf(core, request)).id,
      target: containerTarget(core),
    }),
  ];
}

function routesOf(core: SecretCore, owner: Owner): Route<SecretCaller>[] {
  const { path, rules, target } = owner;
  const write = (replace: boolean) => (request: Request<Given>) =>
    writeAcl(core, owner, request, replace);
  return [
    route({
      method: 'GET',
      path,
      policy: `${rules}:get`,
      target,
      handle: async (request) => {
        const acl = await aclOf(core.db, await owner.idOf(request));
        return { body: { read: acl === undefined ? { 'project-access': true } : aclView(acl) } };
      },
    }),
    ...(['PUT', 'PATCH'] as const).map((method) =>
      route({
        method,
        path,
        policy: `${rules}:put_patch`,
        mediaTypes: json,
        target,
        body,
        handle: write(method === 'PUT'),
      }),
    ),
    route({
      method: 'DELETE',
      path,
      policy: `${rules}:delete`,
      target,
      handle: async (request) => {
        const id = await owner.idOf(request);
        await core.db.deleteFrom('secret_acl').where('owner_id', '=', id).execute();
        return { status: 200 };
      },
    }),
  ];
}

const aclView = (acl: AclRow) => ({
  'project-access': acl.project_access === 1,
  users: usersOf(acl),
  created: timeOf(acl.created_at_us),
  updated: timeOf(acl.updated_at_us),
});

/** PUT replaces the list, and what it does not say is as for a new one; PATCH changes what it names. */
async function writeAcl(
  core: SecretCore,
  owner: Owner,
  request: Request<Given>,
  replace: boolean,
): Promise<ApiReply> {
  const { read } = request.body;
  if ((read?.users?.length ?? 0) > core.settings.usersMax)
    throw invalid(`An access list may name ${core.settings.usersMax} users.`);
  const id = await owner.idOf(request);
  await core.change(async (tx) => {
    const present = await aclOf(tx, id);
    const base = replace ? undefined : present;
    if (replace && read === undefined) {
      await tx.deleteFrom('secret_acl').where('owner_id', '=', id).execute();
      return;
    }
    if (read === undefined) return;
    const now = core.nowUs();
    const access = read['project-access'] ?? (base === undefined || base.project_access === 1);
    const users = read.users ?? (base === undefined ? [] : usersOf(base));
    const written = {
      project_access: access ? 1 : 0,
      users_json: JSON.stringify([...new Set(users)]),
      updated_at_us: now,
    };
    await tx
      .insertInto('secret_acl')
      .values({
        owner_id: id,
        operation: 'read',
        created_at_us: now,
        ...written,
      })
      .onConflict((conflict) => conflict.columns(['owner_id', 'operation']).doUpdateSet(written))
      .execute();
  });
  return { body: { acl_ref: `${refOf(request, owner.collection, id)}/acl` } };
}
