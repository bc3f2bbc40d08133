/** Roles, and which of them imply which. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import type { RoleRow } from '../tables.ts';
import { findDomain } from './domains.ts';
import * as fields from './fields.ts';
import { onDuplicate } from './removal.ts';
import { found, linked, listReply, readPage, type View } from './views.ts';

export const findRole = (db: Db, id: string): Promise<RoleRow | undefined> =>
  db.selectFrom('identity_role').selectAll().where('id', '=', id).executeTakeFirst();

export async function insertRole(
  core: IdentityCore,
  transaction: Tx,
  role: { name: string; domainId?: string; description?: string | null; extra?: object },
): Promise<RoleRow> {
  const row: RoleRow = {
    id: core.newId(),
    domain_id: role.domainId ?? '',
    name: role.name,
    description: role.description ?? null,
    options: '{}',
    extra: JSON.stringify(role.extra ?? {}),
  };
  await onDuplicate('role', role.name, () =>
    transaction.insertInto('identity_role').values(row).execute(),
  );
  return row;
}

export function roleView(row: RoleRow): View {
  return {
    ...fields.parseExtra(row.extra),
    id: row.id,
    name: row.name,
    domain_id: row.domain_id === '' ? null : row.domain_id,
    description: row.description,
    options: {},
  };
}

const createBody = Type.Object({
  role: Type.Object({
    name: fields.name,
    domain_id: Type.Optional(fields.nullable(fields.id)),
    description: Type.Optional(fields.nullable(fields.text)),
    options: Type.Optional(fields.noOptions),
  }),
});
const updateBody = Type.Object({
  role: Type.Object({
    name: Type.Optional(fields.name),
    domain_id: Type.Optional(fields.nullable(fields.id)),
    description: Type.Optional(fields.nullable(fields.text)),
    options: Type.Optional(fields.noOptions),
  }),
});
const known = ['name', 'domain_id', 'description', 'options'];

export function roleRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const theRole = async (request: Request, from: Db = db, name = 'role_id') => {
    const id = parameter(request, name);
    return found(await findRole(from, id), 'role', id);
  };
  const reply = (request: Request, row: RoleRow) => ({
    role: linked(request, 'roles', roleView(row)),
  });
  const summary = (request: Request, row: RoleRow) =>
    linked(request, 'roles', { id: row.id, name: row.name });
  const impliedBy = (priorId: string) =>
    db
      .selectFrom('identity_role')
      .innerJoin(
        'identity_implied_role',
        'identity_implied_role.implied_role_id',
        'identity_role.id',
      )
      .selectAll('identity_role')
      .where('identity_implied_role.prior_role_id', '=', priorId)
      .orderBy('identity_role.name')
      .execute();
  const inference = (request: Request, prior: RoleRow, implied: RoleRow) => ({
    body: {
      role_inference: {
        prior_role: summary(request, prior),
        implies: summary(request, implied),
      },
      links: { self: `${request.baseUrl}${request.url}` },
    },
  });
  const thePair = async (request: Request, from: Db = db) => ({
    prior: await theRole(request, from),
    implied: await theRole(request, from, 'implied_id'),
  });
  const isImplied = async (from: Db, prior: RoleRow, implied: RoleRow) => {
    const rows = await from
      .selectFrom('identity_implied_role')
      .select('prior_role_id')
      .where('prior_role_id', '=', prior.id)
      .where('implied_role_id', '=', implied.id)
      .execute();
    return rows.length > 0;
  };

  return [
    route({
      method: 'GET',
      path: '/v3/roles',
      policy: 'identity:list_roles',
      handle: async (request) => {
        let query = db.selectFrom('identity_role').selectAll();
        // Roles of domains are listed only when asked for by domain.
        if (!request.query.has('domain_id')) query = query.where('domain_id', '=', '');
        else if (!request.may('identity:list_domain_roles'))
          throw identityFailure('forbidden-action', { action: 'identity:list_domain_roles' });
        const page = await readPage(request, query, {
          table: 'identity_role',
          filters: { name: 'text', domain_id: 'text' },
          sortKeys: ['id', 'name'],
          defaultSort: 'name',
          limitMax: core.settings.listMax,
        });
        const views = page.rows.map((row) => linked(request, 'roles', roleView(row)));
        return listReply(request, 'roles', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/roles',
      policy: 'identity:create_role',
      body: createBody,
      handle: async (request) => {
        const { role } = request.body;
        const row = await core.change(async (transaction) => {
          const domainId = role.domain_id ?? '';
          if (domainId !== '' && (await findDomain(transaction, domainId)) === undefined)
            throw identityFailure('schema-invalid', { detail: 'The domain does not exist.' });
          return insertRole(core, transaction, {
            name: role.name,
            domainId,
            description: role.description ?? null,
            extra: fields.extraOf(role, known),
          });
        });
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/roles/:role_id',
      policy: 'identity:get_role',
      handle: async (request) => ({ body: reply(request, await theRole(request)) }),
    }),
    route({
      method: 'PATCH',
      path: '/v3/roles/:role_id',
      policy: 'identity:update_role',
      body: updateBody,
      handle: async (request) => {
        const { role } = request.body;
        const row = await core.change(async (transaction) => {
          const before = await theRole(request, transaction);
          if (role.domain_id !== undefined && (role.domain_id ?? '') !== before.domain_id)
            throw identityFailure('schema-invalid', { detail: 'A role keeps its domain.' });
          const after: RoleRow = {
            ...before,
            name: role.name ?? before.name,
            description: role.description === undefined ? before.description : role.description,
            extra: fields.mergeExtra(before.extra, fields.extraOf(role, known)),
          };
          await onDuplicate('role', after.name, () =>
            transaction
              .updateTable('identity_role')
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
      path: '/v3/roles/:role_id',
      policy: 'identity:delete_role',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theRole(request, transaction);
          await transaction.deleteFrom('identity_role').where('id', '=', row.id).execute();
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/roles/:role_id/implies',
      policy: 'identity:list_implied_roles',
      handle: async (request) => {
        const prior = await theRole(request);
        const implies = (await impliedBy(prior.id)).map((row) => summary(request, row));
        return {
          body: {
            role_inference: { prior_role: summary(request, prior), implies },
            links: { self: `${request.baseUrl}${request.url}` },
          },
        };
      },
    }),
    route({
      method: 'PUT',
      path: '/v3/roles/:role_id/implies/:implied_id',
      policy: 'identity:create_implied_role',
      handle: async (request) => {
        const { prior, implied } = await core.change(async (transaction) => {
          const pair = await thePair(request, transaction);
          if (pair.implied.domain_id !== '')
            throw identityFailure('forbidden', { why: 'A role of a domain cannot be implied.' });
          if (pair.implied.name === 'admin')
            throw identityFailure('forbidden', { why: 'The role admin cannot be implied.' });
          await transaction
            .insertInto('identity_implied_role')
            .values({ prior_role_id: pair.prior.id, implied_role_id: pair.implied.id })
            .onConflict((conflict) => conflict.doNothing())
            .execute();
          return pair;
        });
        return { status: 201, ...inference(request, prior, implied) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/roles/:role_id/implies/:implied_id',
      policy: 'identity:get_implied_role',
      handle: async (request) => {
        const { prior, implied } = await thePair(request);
        const there = await isImplied(db, prior, implied);
        found(there ? implied : undefined, 'implied role', implied.id);
        return inference(request, prior, implied);
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/roles/:role_id/implies/:implied_id',
      policy: 'identity:delete_implied_role',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const { prior, implied } = await thePair(request, transaction);
          const there = await isImplied(transaction, prior, implied);
          found(there ? implied : undefined, 'implied role', implied.id);
          await transaction
            .deleteFrom('identity_implied_role')
            .where('prior_role_id', '=', prior.id)
            .where('implied_role_id', '=', implied.id)
            .execute();
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/role_inferences',
      policy: 'identity:list_role_inference_rules',
      handle: async (request) => {
        const priors = await db
          .selectFrom('identity_role')
          .selectAll()
          .where('id', 'in', (inner) =>
            inner.selectFrom('identity_implied_role').select('prior_role_id'),
          )
          .orderBy('name')
          .execute();
        const rules = [];
        for (const prior of priors) {
          const implies = (await impliedBy(prior.id)).map((row) => summary(request, row));
          rules.push({ prior_role: summary(request, prior), implies });
        }
        return {
          body: { role_inferences: rules, links: { self: `${request.baseUrl}${request.url}` } },
        };
      },
    }),
  ];
}
