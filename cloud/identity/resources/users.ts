/** Users and their passwords. */
import Type from 'typebox';
import { randomUuid } from '#common';
import type { Route } from '../../api/index.ts';
import type { Authenticator } from '../authenticate.ts';
import {
  callerOf,
  domainOf,
  type IdentityCaller,
  parameter,
  type Request,
  route,
} from '../caller.ts';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import { targetsOfUser } from '../roles.ts';
import type { UserRow } from '../tables.ts';
import { isoTime } from '../times.ts';
import { findDomain } from './domains.ts';
import * as fields from './fields.ts';
import { domainForNew, projectView } from './projects.ts';
import { onDuplicate, removeActor } from './removal.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

export interface NewUser {
  readonly name: string;
  readonly domainId: string;
  /** Hashed already: hashing takes a tenth of a second, too long for a transaction. */
  readonly passwordHash?: string | undefined;
  readonly defaultProjectId?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly extra?: Record<string, unknown>;
}

export function findUser(db: Db, id: string): Promise<UserRow | undefined> {
  return db.selectFrom('identity_user').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function insertUser(
  core: IdentityCore,
  transaction: Tx,
  user: NewUser,
): Promise<UserRow> {
  if ((await findDomain(transaction, user.domainId)) === undefined)
    throw identityFailure('schema-invalid', { detail: 'The domain does not exist.' });
  const row: UserRow = {
    id: core.newId(),
    domain_id: user.domainId,
    name: user.name,
    enabled: user.enabled === false ? 0 : 1,
    default_project_id: user.defaultProjectId ?? null,
    created_at_us: core.clock.nowUs(),
    options: '{}',
    extra: JSON.stringify(user.extra ?? {}),
    failed_count: 0,
    failed_at_us: null,
  };
  await onDuplicate('user', user.name, () =>
    transaction.insertInto('identity_user').values(row).execute(),
  );
  if (user.passwordHash !== undefined)
    await setPassword(core, transaction, row.id, user.passwordHash);
  return row;
}

/** Replaces a user's password; tokens got with the old one end. */
export async function setPassword(
  core: IdentityCore,
  transaction: Tx,
  userId: string,
  hash: string,
): Promise<void> {
  await transaction.deleteFrom('identity_password').where('user_id', '=', userId).execute();
  await transaction
    .insertInto('identity_password')
    .values({
      id: randomUuid(core.random),
      user_id: userId,
      hash,
      created_at_us: core.clock.nowUs(),
      expires_at_us: null,
    })
    .execute();
}

function userView(row: UserRow, passwordExpiresUs: number | null): View {
  return {
    ...fields.parseExtra(row.extra),
    id: row.id,
    name: row.name,
    domain_id: row.domain_id,
    enabled: row.enabled === 1,
    password_expires_at: passwordExpiresUs === null ? null : isoTime(passwordExpiresUs),
    options: JSON.parse(row.options),
    ...(row.default_project_id === null ? {} : { default_project_id: row.default_project_id }),
  };
}

const shared = {
  name: fields.name,
  password: fields.nullable(Type.String({ maxLength: 1024 })),
  enabled: fields.flag,
  default_project_id: fields.nullable(fields.id),
  description: fields.nullable(fields.text),
  options: fields.noOptions,
};
const partial = Type.Partial(Type.Object(shared)).properties;
const createBody = Type.Object({
  user: Type.Object({
    ...partial,
    name: fields.name,
    domain_id: Type.Optional(fields.nullable(fields.id)),
  }),
});
const updateBody = Type.Object({
  user: Type.Object({ ...partial, domain_id: Type.Optional(fields.id) }),
});
const passwordBody = Type.Object({
  user: Type.Object({
    password: Type.String({ maxLength: 1024 }),
    original_password: Type.String({ maxLength: 1024 }),
  }),
});
const known = [
  'name',
  'password',
  'enabled',
  'default_project_id',
  'domain_id',
  'options',
  'password_expires_at',
];

const listing = {
  table: 'identity_user',
  filters: { name: 'text', enabled: 'flag', domain_id: 'text' },
  sortKeys: ['id', 'name', 'domain_id', 'enabled'],
  defaultSort: 'name',
} as const;

export function userRoutes(
  core: IdentityCore,
  authenticator: Authenticator,
): Route<IdentityCaller>[] {
  const { db } = core;
  const targetOf = async (request: Request) => {
    const row = await findUser(db, parameter(request, 'user_id'));
    return { target: { user: row && { id: row.id, domain_id: row.domain_id } } };
  };
  const theUser = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'user_id');
    return found(await findUser(from, id), 'user', id);
  };
  const reply = (request: Request, row: UserRow) => ({
    user: linked(request, 'users', userView(row, null)),
  });

  return [
    route({
      method: 'GET',
      path: '/v3/users',
      policy: 'identity:list_users',
      target: (request) => ({ target: { domain_id: domainOf(request) } }),
      handle: async (request) => {
        let query = db.selectFrom('identity_user').selectAll();
        const confinedTo = domainOf(request);
        if (confinedTo !== undefined) query = query.where('domain_id', '=', confinedTo);
        const page = await readPage(request, query, {
          ...listing,
          limitMax: core.settings.listMax,
        });
        const views = page.rows.map((row) => linked(request, 'users', userView(row, null)));
        return listReply(request, 'users', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/users',
      policy: 'identity:create_user',
      body: createBody,
      target: (request) => ({
        target: { user: { domain_id: domainForNew(request, request.body.user.domain_id) } },
      }),
      handle: async (request) => {
        const { user } = request.body;
        const password = user.password ?? undefined;
        const passwordHash =
          password === undefined ? undefined : await core.passwords.hash(password);
        const row = await core.change((transaction) =>
          insertUser(core, transaction, {
            name: user.name,
            domainId: domainForNew(request, user.domain_id),
            passwordHash,
            defaultProjectId: user.default_project_id ?? undefined,
            enabled: user.enabled,
            extra: fields.extraOf(user, known),
          }),
        );
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/users/:user_id',
      policy: 'identity:get_user',
      target: targetOf,
      handle: async (request) => ({ body: reply(request, await theUser(request)) }),
    }),
    route({
      method: 'PATCH',
      path: '/v3/users/:user_id',
      policy: 'identity:update_user',
      body: updateBody,
      target: targetOf,
      handle: async (request) => {
        const { user } = request.body;
        await theUser(request);
        const password = user.password ?? undefined;
        const hash = password === undefined ? undefined : await core.passwords.hash(password);
        const row = await core.change(async (transaction) => {
          const before = await theUser(request, transaction);
          if (user.domain_id !== undefined && user.domain_id !== before.domain_id)
            throw identityFailure('schema-invalid', { detail: 'A user keeps its domain.' });
          const after: UserRow = {
            ...before,
            name: user.name ?? before.name,
            enabled: user.enabled === undefined ? before.enabled : Number(user.enabled),
            default_project_id:
              user.default_project_id === undefined
                ? before.default_project_id
                : user.default_project_id,
            extra: fields.mergeExtra(before.extra, fields.extraOf(user, known)),
          };
          await onDuplicate('user', after.name, () =>
            transaction
              .updateTable('identity_user')
              .set(after)
              .where('id', '=', before.id)
              .execute(),
          );
          if (hash !== undefined) await setPassword(core, transaction, before.id, hash);
          // Enabling somebody again must not bring old tokens back to life.
          if (hash !== undefined || after.enabled === 0)
            await core.revokeUser(transaction, before.id);
          return after;
        });
        return { body: reply(request, row) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/users/:user_id',
      policy: 'identity:delete_user',
      target: targetOf,
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theUser(request, transaction);
          await removeActor(transaction, 'user', row.id);
          await transaction.deleteFrom('identity_user').where('id', '=', row.id).execute();
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'POST',
      path: '/v3/users/:user_id/password',
      // The original password is the proof; a user whose password expired has no token.
      policy: 'public',
      body: passwordBody,
      handle: async (request) => {
        const id = parameter(request, 'user_id');
        const { original_password: original, password } = request.body.user;
        await authenticator.provePassword({ id }, original);
        const hash = await core.passwords.hash(password);
        await core.change(async (transaction) => {
          await setPassword(core, transaction, id, hash);
          await core.revokeUser(transaction, id);
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/users/:user_id/projects',
      policy: 'identity:list_user_projects',
      target: targetOf,
      handle: async (request) => {
        const rows = await targetsOfUser(db, (await theUser(request)).id, 'project');
        const views = rows.map((row) => linked(request, 'projects', projectView(row)));
        return listReply(request, 'projects', views);
      },
    }),
    route({
      method: 'GET',
      path: '/v3/users/:user_id/groups',
      policy: 'identity:list_groups_for_user',
      target: targetOf,
      handle: async (request) => {
        const user = await theUser(request);
        const rows = await db
          .selectFrom('identity_group')
          .innerJoin('identity_membership', 'identity_membership.group_id', 'identity_group.id')
          .selectAll('identity_group')
          .where('identity_membership.user_id', '=', user.id)
          .orderBy('identity_group.name')
          .execute();
        const name = request.query.get('name');
        const views = rows
          .filter((row) => name === null || row.name === name)
          .map(({ extra, ...row }) =>
            linked(request, 'groups', { ...fields.parseExtra(extra), ...row }),
          );
        return listReply(request, 'groups', views);
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/users/:user_id/tokens',
      policy: 'identity:update_user',
      target: targetOf,
      handle: async (request) => {
        const { id } = await theUser(request);
        await core.change((transaction) => core.revokeUser(transaction, id));
        core.log.info({ userId: id, by: callerOf(request).userId }, 'all tokens revoked');
        return { status: 204 };
      },
    }),
  ];
}
