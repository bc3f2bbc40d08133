/** Application credentials: a secret that stands for a user in one project, with some of the user's roles there. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { callerOf, type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { AccessRule } from '../../contexts.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { RoleRef } from '../../roles.ts';
import type { ApplicationCredentialRow } from '../../tables.ts';
import { isoTime, parseIsoTime } from '../../times.ts';
import { findUser } from '../actors/users.ts';
import * as fields from '../fields.ts';
import { onDuplicate } from '../removal.ts';
import { refuseDelegation } from '../roles/delegation.ts';
import { found, linked, listReply, type View } from '../views.ts';
import { ensureRules, rulesOf } from './access-rules.ts';

const createBody = Type.Object({
  application_credential: Type.Object({
    name: fields.name,
    description: Type.Optional(fields.nullable(fields.text)),
    secret: Type.Optional(fields.nullable(Type.String({ minLength: 1, maxLength: 255 }))),
    expires_at: Type.Optional(fields.nullable(Type.String({ maxLength: 64 }))),
    unrestricted: Type.Optional(fields.nullable(fields.flag)),
    roles: Type.Optional(
      Type.Array(Type.Object({ id: Type.Optional(fields.id), name: Type.Optional(fields.name) }), {
        maxItems: 100,
      }),
    ),
    access_rules: Type.Optional(
      Type.Array(
        Type.Object(
          {
            id: Type.Optional(fields.id),
            service: Type.Optional(fields.id),
            method: Type.Optional(Type.String({ pattern: '^(POST|GET|HEAD|PATCH|PUT|DELETE)$' })),
            path: Type.Optional(Type.String({ maxLength: 225, pattern: '^/.*' })),
          },
          { additionalProperties: false },
        ),
        { maxItems: 100 },
      ),
    ),
  }),
});

export function applicationCredentialRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const collection = '/v3/users/:user_id/application_credentials';
  const target = async (request: Request) => {
    const user = await findUser(db, parameter(request, 'user_id'));
    return { target: { user: user && { id: user.id } } };
  };
  const theCredential = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'credential_id');
    const row = await from
      .selectFrom('identity_application_credential')
      .selectAll()
      .where('id', '=', id)
      .where('user_id', '=', parameter(request, 'user_id'))
      .executeTakeFirst();
    return found(row, 'application credential', id);
  };
  const show = async (request: Request, row: ApplicationCredentialRow) =>
    linked(
      request,
      `users/${row.user_id}/application_credentials`,
      view(row, await rolesOf(db, row), await rulesOf(db, row)),
    );

  return [
    route({
      method: 'GET',
      path: collection,
      policy: 'identity:list_application_credentials',
      target,
      handle: async (request) => {
        refuseDelegation(request);
        const userId = parameter(request, 'user_id');
        const name = request.query.get('name');
        let query = db
          .selectFrom('identity_application_credential')
          .selectAll()
          .where('user_id', '=', userId);
        if (name !== null) query = query.where('name', '=', name);
        const rows = await query.orderBy('name').limit(core.settings.listMax).execute();
        const views = await Promise.all(rows.map((row) => show(request, row)));
        return listReply(request, 'application_credentials', views);
      },
    }),
    route({
      method: 'POST',
      path: collection,
      policy: 'identity:create_application_credential',
      body: createBody,
      target,
      handle: async (request) => {
        const given = request.body.application_credential;
        const { info } = callerOf(request);
        if (info.scope.kind !== 'project')
          throw identityFailure('schema-invalid', { detail: 'A project-scoped token is needed.' });
        refuseRestricted(request);
        refuseDelegation(request);
        const roles = given.roles === undefined ? info.roles : chosen(given.roles, info.roles);
        const secret = given.secret ?? core.random.bytes(64).toString('base64url');
        const row: ApplicationCredentialRow = {
          id: core.newId(),
          user_id: info.user.id,
          project_id: info.scope.id,
          name: given.name,
          description: given.description ?? null,
          secret_hash: await core.passwords.hash(secret),
          expires_at_us: expiryOf(core, given.expires_at),
          unrestricted: given.unrestricted === true ? 1 : 0,
          role_ids: JSON.stringify(roles.map((role) => role.id)),
          access_rules: null,
        };
        const made = await core.change(async (transaction) => {
          const rules =
            given.access_rules === undefined
              ? undefined
              : await ensureRules(core, transaction, row.user_id, given.access_rules);
          const ids = rules && JSON.stringify(rules.map((rule) => rule.id));
          const whole = { ...row, access_rules: ids ?? null };
          await onDuplicate('application_credential', row.name, () =>
            transaction.insertInto('identity_application_credential').values(whole).execute(),
          );
          return whole;
        });
        const shown = await show(request, made);
        return { status: 201, body: { application_credential: { ...shown, secret } } };
      },
    }),
    route({
      method: 'GET',
      path: `${collection}/:credential_id`,
      policy: 'identity:get_application_credential',
      target,
      handle: async (request) => {
        refuseDelegation(request);
        return {
          body: { application_credential: await show(request, await theCredential(request)) },
        };
      },
    }),
    route({
      method: 'DELETE',
      path: `${collection}/:credential_id`,
      policy: 'identity:delete_application_credential',
      target,
      handle: async (request) => {
        refuseDelegation(request);
        refuseRestricted(request);
        await core.change(async (transaction) => {
          const { id } = await theCredential(request, transaction);
          await transaction
            .deleteFrom('identity_application_credential')
            .where('id', '=', id)
            .execute();
        });
        return { status: 204 };
      },
    }),
  ];
}

/** Otherwise a leaked credential could make itself immortal. */
function refuseRestricted(request: Request): void {
  if (callerOf(request).info.applicationCredential?.unrestricted === false)
    throw identityFailure('forbidden-action', {
      action:
        "Using method 'application_credential' is not allowed for managing additional application credentials",
    });
}

function chosen(
  wanted: readonly { readonly id?: string; readonly name?: string }[],
  held: readonly RoleRef[],
): readonly RoleRef[] {
  return wanted.map((reference) => {
    const role = held.find((other) =>
      reference.id === undefined ? other.name === reference.name : other.id === reference.id,
    );
    if (role === undefined)
      throw identityFailure('schema-invalid', {
        detail: 'Invalid application credential: a role is not among those of the token.',
      });
    return role;
  });
}

function expiryOf(core: IdentityCore, given: string | null | undefined): number | null {
  if (given === undefined || given === null) return null;
  const us = parseIsoTime(given);
  if (us === undefined)
    throw identityFailure('schema-invalid', { detail: 'Timestamp not in expected format.' });
  if (us <= core.clock.nowUs())
    throw identityFailure('schema-invalid', { detail: "'expires_at' must not be before now." });
  return us;
}

async function rolesOf(db: Db, row: ApplicationCredentialRow) {
  const ids: unknown = JSON.parse(row.role_ids);
  const known = Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  if (known.length === 0) return [];
  const roles = await db
    .selectFrom('identity_role')
    .select(['id', 'name'])
    .where('id', 'in', known)
    .execute();
  return roles.map((role) => ({ ...role, domain_id: null }));
}

function view(
  row: ApplicationCredentialRow,
  roles: readonly View[],
  rules: readonly AccessRule[] | undefined,
): View {
  return {
    ...(rules === undefined ? {} : { access_rules: rules }),
    id: row.id,
    name: row.name,
    description: row.description,
    user_id: row.user_id,
    project_id: row.project_id,
    system: null,
    roles,
    expires_at: row.expires_at_us === null ? null : isoTime(row.expires_at_us).replace('Z', ''),
    unrestricted: row.unrestricted === 1,
  };
}
