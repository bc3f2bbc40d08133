/** Groups of users. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { domainOf, type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore } from '../core.ts';
import { identityFailure } from '../failures.ts';
import type { GroupRow } from '../tables.ts';
import { findDomain } from './domains.ts';
import * as fields from './fields.ts';
import { domainForNew } from './projects.ts';
import { onDuplicate, removeActor } from './removal.ts';
import { findUser } from './users.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

const findGroup = (db: Db, id: string): Promise<GroupRow | undefined> =>
  db.selectFrom('identity_group').selectAll().where('id', '=', id).executeTakeFirst();

function groupView(row: GroupRow): View {
  const { extra, ...rest } = row;
  return { ...fields.parseExtra(extra), ...rest };
}

const createBody = Type.Object({
  group: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 64, pattern: '\\S' }),
    domain_id: Type.Optional(fields.nullable(fields.id)),
    description: Type.Optional(fields.nullable(fields.text)),
  }),
});
const updateBody = Type.Object({
  group: Type.Object({
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: '\\S' })),
    domain_id: Type.Optional(fields.id),
    description: Type.Optional(fields.nullable(fields.text)),
  }),
});
const known = ['name', 'domain_id', 'description'];

export function groupRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const targetOf = async (request: Request) => {
    const group = await findGroup(db, parameter(request, 'group_id'));
    const user = await findUser(db, request.params.user_id ?? '');
    return {
      target: {
        group: group && { id: group.id, domain_id: group.domain_id },
        user: user && { id: user.id, domain_id: user.domain_id },
      },
    };
  };
  const theGroup = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'group_id');
    return found(await findGroup(from, id), 'group', id);
  };
  const theMembership = async (request: Request, from: Db) => {
    const group = await theGroup(request, from);
    const id = parameter(request, 'user_id');
    const user = found(await findUser(from, id), 'user', id);
    return { group_id: group.id, user_id: user.id };
  };
  const reply = (request: Request, row: GroupRow) => ({
    group: linked(request, 'groups', groupView(row)),
  });

  return [
    route({
      method: 'GET',
      path: '/v3/groups',
      policy: 'identity:list_groups',
      target: (request) => ({ target: { domain_id: domainOf(request) } }),
      handle: async (request) => {
        let query = db.selectFrom('identity_group').selectAll();
        const confinedTo = domainOf(request);
        if (confinedTo !== undefined) query = query.where('domain_id', '=', confinedTo);
        const page = await readPage(request, query, {
          table: 'identity_group',
          filters: { name: 'text', domain_id: 'text' },
          sortKeys: ['id', 'name', 'domain_id'],
          defaultSort: 'name',
          limitMax: core.settings.listMax,
        });
        const views = page.rows.map((row) => linked(request, 'groups', groupView(row)));
        return listReply(request, 'groups', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/groups',
      policy: 'identity:create_group',
      body: createBody,
      target: (request) => ({
        target: { group: { domain_id: domainForNew(request, request.body.group.domain_id) } },
      }),
      handle: async (request) => {
        const { group } = request.body;
        const row: GroupRow = {
          id: core.newId(),
          domain_id: domainForNew(request, group.domain_id),
          name: group.name,
          description: group.description ?? '',
          extra: JSON.stringify(fields.extraOf(group, known)),
        };
        await core.change(async (transaction) => {
          if ((await findDomain(transaction, row.domain_id)) === undefined)
            throw identityFailure('schema-invalid', { detail: 'The domain does not exist.' });
          await onDuplicate('group', row.name, () =>
            transaction.insertInto('identity_group').values(row).execute(),
          );
        });
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/groups/:group_id',
      policy: 'identity:get_group',
      target: targetOf,
      handle: async (request) => ({ body: reply(request, await theGroup(request)) }),
    }),
    route({
      method: 'PATCH',
      path: '/v3/groups/:group_id',
      policy: 'identity:update_group',
      body: updateBody,
      target: targetOf,
      handle: async (request) => {
        const { group } = request.body;
        const row = await core.change(async (transaction) => {
          const before = await theGroup(request, transaction);
          if (group.domain_id !== undefined && group.domain_id !== before.domain_id)
            throw identityFailure('schema-invalid', { detail: 'A group keeps its domain.' });
          const after: GroupRow = {
            ...before,
            name: group.name ?? before.name,
            description: group.description ?? before.description,
            extra: fields.mergeExtra(before.extra, fields.extraOf(group, known)),
          };
          await onDuplicate('group', after.name, () =>
            transaction
              .updateTable('identity_group')
              .set(after)
              .where('id', '=', before.id)
              .execute(),
          );
          return after;
        });
        return { body: reply(request, row) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/groups/:group_id',
      policy: 'identity:delete_group',
      target: targetOf,
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theGroup(request, transaction);
          await removeActor(transaction, 'group', row.id);
          await transaction.deleteFrom('identity_group').where('id', '=', row.id).execute();
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/groups/:group_id/users',
      policy: 'identity:list_users_in_group',
      target: targetOf,
      handle: async (request) => {
        const group = await theGroup(request);
        const rows = await db
          .selectFrom('identity_user')
          .innerJoin('identity_membership', 'identity_membership.user_id', 'identity_user.id')
          .select(['id', 'name', 'domain_id', 'enabled', 'extra', 'default_project_id'])
          .where('identity_membership.group_id', '=', group.id)
          .orderBy('name')
          .execute();
        const views = rows.map(({ extra, enabled, ...row }) => ({
          ...fields.parseExtra(extra),
          ...row,
          enabled: enabled === 1,
          password_expires_at: null,
          options: {},
        }));
        return listReply(
          request,
          'users',
          views.map((view) => linked(request, 'users', view)),
        );
      },
    }),
    route({
      method: 'PUT',
      path: '/v3/groups/:group_id/users/:user_id',
      policy: 'identity:add_user_to_group',
      target: targetOf,
      handle: async (request) => {
        await core.change(async (transaction) => {
          await transaction
            .insertInto('identity_membership')
            .values(await theMembership(request, transaction))
            .onConflict((conflict) => conflict.doNothing())
            .execute();
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/groups/:group_id/users/:user_id',
      policy: 'identity:check_user_in_group',
      target: targetOf,
      handle: async (request) => {
        const { group_id, user_id } = await theMembership(request, db);
        const row = await db
          .selectFrom('identity_membership')
          .select('user_id')
          .where('group_id', '=', group_id)
          .where('user_id', '=', user_id)
          .executeTakeFirst();
        found(row, 'user in group', user_id);
        return { status: 204 };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/groups/:group_id/users/:user_id',
      policy: 'identity:remove_user_from_group',
      target: targetOf,
      handle: async (request) => {
        await core.change(async (transaction) => {
          const { group_id, user_id } = await theMembership(request, transaction);
          const gone = await transaction
            .deleteFrom('identity_membership')
            .where('group_id', '=', group_id)
            .where('user_id', '=', user_id)
            .executeTakeFirst();
          found(gone.numDeletedRows > 0n ? gone : undefined, 'user in group', user_id);
        });
        return { status: 204 };
      },
    }),
  ];
}
