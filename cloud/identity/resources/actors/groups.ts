/** Groups of users. */
import { sql } from 'kysely';
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { domainOf, type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import type { Directories } from '../../directory/directories.ts';
import type { GroupRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { namedDomain } from '../projects/domains.ts';
import { domainForNew } from '../projects/projects.ts';
import { removeActor } from '../removal.ts';
import { rowsOf } from '../rows.ts';
import { found, listReply, type View } from '../views.ts';
import { showUsers, users } from './users.ts';

export const groups = rowsOf('identity_group', 'group');

export function groupView(row: GroupRow): View {
  const { extra, ...rest } = row;
  return { ...fields.parseExtra(extra), ...rest };
}

const shared = { description: Type.Optional(fields.nullable(fields.text)) };
const create = Type.Object({
  ...shared,
  name: fields.name,
  domain_id: Type.Optional(fields.nullable(fields.id)),
});
const known = ['name', 'domain_id', 'description'];

export function groupRoutes(core: IdentityCore, directories: Directories): Route<IdentityCaller>[] {
  return [
    ...collectionRoutes(core, {
      rows: groups,
      plural: 'groups',
      member: 'group',
      create,
      update: fields.some({
        ...shared,
        name: Type.Optional(fields.name),
        domain_id: Type.Optional(fields.id),
      }),
      listing: {
        filters: { name: 'text', domain_id: 'text' },
        sortKeys: ['id', 'name', 'domain_id'],
        defaultSort: 'name',
      },
      view: groupView,
      target: (row) => ({ target: { group: row && { id: row.id, domain_id: row.domain_id } } }),
      createTarget: (given, request) => ({
        target: { group: { domain_id: domainForNew(request, given.domain_id) } },
      }),
      listTarget: (request) => ({ target: { domain_id: domainOf(request) } }),
      where: (request) => {
        const confinedTo = domainOf(request);
        return confinedTo === undefined ? [] : [sql<boolean>`domain_id = ${confinedTo}`];
      },
      fresh: (given, request) => ({
        id: core.newId(),
        domain_id: domainForNew(request, given.domain_id),
        name: given.name.trim(),
        description: given.description ?? '',
        extra: JSON.stringify(fields.extraOf(given, known)),
      }),
      changed: (before, given) => {
        fields.refuseOtherDomain(before.domain_id, given.domain_id);
        return {
          ...before,
          name: given.name?.trim() ?? before.name,
          description: given.description ?? before.description,
          extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
        };
      },
      guard: (row, from) => directories.refuseWrite(row.domain_id, from),
      check: async (row, before, transaction) => {
        if (before === undefined) await namedDomain(transaction, row.domain_id);
      },
      removing: (row, transaction) => removeActor(transaction, 'group', row.id),
    }),
    ...membershipRoutes(core, directories),
  ];
}

function membershipRoutes(core: IdentityCore, directories: Directories): Route<IdentityCaller>[] {
  const { db } = core;
  const target = async (request: Request) => {
    const group = await groups.find(db, parameter(request, 'group_id'));
    const user = await users.find(db, request.params.user_id ?? '');
    return {
      target: {
        group: group && { id: group.id, domain_id: group.domain_id },
        user: user && { id: user.id, domain_id: user.domain_id },
      },
    };
  };
  const theMembership = async (request: Request, from: Db) => {
    const group = await groups.get(from, parameter(request, 'group_id'));
    const user = await users.get(from, parameter(request, 'user_id'));
    return { group_id: group.id, user_id: user.id };
  };
  const refuseKept = async (request: Request) => {
    const { domain_id: domainId } = await groups.get(db, parameter(request, 'group_id'));
    await directories.refuseWrite(domainId);
  };
  const path = '/v3/groups/:group_id/users';
  return [
    route({
      method: 'GET',
      path,
      policy: 'identity:list_users_in_group',
      target,
      handle: async (request) => {
        const group = await groups.get(db, parameter(request, 'group_id'));
        const name = request.query.get('name');
        const members = sql<boolean>`id in (select user_id from identity_membership where group_id = ${group.id})
          and (${name} is null or name = ${name})`;
        const rows = await users.list(db, members, 'name');
        return listReply(request, 'users', await showUsers(core, request, rows));
      },
    }),
    route({
      method: 'PUT',
      path: `${path}/:user_id`,
      policy: 'identity:add_user_to_group',
      target,
      handle: async (request) => {
        await refuseKept(request);
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
      path: `${path}/:user_id`,
      policy: 'identity:check_user_in_group',
      target,
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
      path: `${path}/:user_id`,
      policy: 'identity:remove_user_from_group',
      target,
      handle: async (request) => {
        await refuseKept(request);
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
