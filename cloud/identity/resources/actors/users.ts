/** Users, their passwords, and what they may reach. */
import { type RawBuilder, sql } from 'kysely';
import Type, { type Static } from 'typebox';
import type { Route } from '../../../api/index.ts';
import type { Authenticator } from '../../authenticate/authenticator.ts';
import {
  callerOf,
  domainOf,
  type IdentityCaller,
  parameter,
  type Request,
  route,
} from '../../caller.ts';
import type { Db, IdentityCore, Tx } from '../../core.ts';
import type { Directories } from '../../directory/directories.ts';
import { identityFailure } from '../../failures.ts';
import { targetsOfUser } from '../../roles.ts';
import type { UserRow } from '../../tables.ts';
import { isoTime, parseIsoTime } from '../../times.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { mergeOptions } from '../options.ts';
import { namedDomain } from '../projects/domains.ts';
import { domainForNew, projectView } from '../projects/projects.ts';
import { removeActor } from '../removal.ts';
import { rowsOf } from '../rows.ts';
import { linked, listReply, type View } from '../views.ts';
import { federatedOf, linkFederated } from './federated-users.ts';
import { isInactive, userOptions } from './user-options.ts';
import { expiriesOf, refuseOwnChange, refuseWeak, setPassword } from './user-passwords.ts';

export const users = rowsOf('identity_user', 'user');

export const findUser = (db: Db, id: string) => users.find(db, id);

export interface NewUser {
  readonly name: string;
  readonly domainId: string;
  /** Hashed already: hashing takes a tenth of a second, too long for a transaction. */
  readonly passwordHash?: string | undefined;
  readonly defaultProjectId?: string | null | undefined;
  readonly enabled?: boolean | undefined;
  readonly options?: Static<typeof userOptions> | undefined;
  readonly extra?: Record<string, unknown>;
}

function userRow(core: IdentityCore, user: NewUser): UserRow {
  return {
    id: core.newId(),
    domain_id: user.domainId,
    name: user.name.trim(),
    enabled: user.enabled === false ? 0 : 1,
    default_project_id: user.defaultProjectId ?? null,
    created_at_us: core.clock.nowUs(),
    options: mergeOptions('{}', user.options),
    extra: JSON.stringify(user.extra ?? {}),
    failed_count: 0,
    failed_at_us: null,
    last_active_at_us: null,
  };
}

export async function insertUser(
  core: IdentityCore,
  transaction: Tx,
  user: NewUser,
): Promise<UserRow> {
  await namedDomain(transaction, user.domainId);
  const row = userRow(core, user);
  await users.insert(transaction, row, row.name);
  if (user.passwordHash !== undefined) await setPassword(core, transaction, row, user.passwordHash);
  return row;
}

const userView =
  (core: IdentityCore) =>
  (row: UserRow): View => ({
    ...fields.parseExtra(row.extra),
    id: row.id,
    name: row.name,
    domain_id: row.domain_id,
    enabled: row.enabled === 1 && !isInactive(core, row),
    password_expires_at: null,
    options: JSON.parse(row.options),
    ...(row.default_project_id === null ? {} : { default_project_id: row.default_project_id }),
  });

/** What other tables know of users: when their passwords end, and who vouches for them. */
async function enrichUsers(core: IdentityCore, views: readonly View[]): Promise<View[]> {
  const ids = views.map((view) => String(view.id));
  const expiries = await expiriesOf(core.db, ids);
  const federated = await federatedOf(core.db, ids);
  return views.map((view) => {
    const id = String(view.id);
    const us = expiries.get(id);
    return {
      ...view,
      ...(us === undefined ? {} : { password_expires_at: isoTime(us).replace('Z', '') }),
      ...(federated.has(id) ? { federated: federated.get(id) } : {}),
    };
  });
}

export async function showUsers(
  core: IdentityCore,
  request: Request,
  rows: readonly UserRow[],
): Promise<View[]> {
  const views = await enrichUsers(core, rows.map(userView(core)));
  return views.map((view) => linked(request, 'users', view));
}

const federated = Type.Array(
  Type.Object({
    idp_id: Type.String({ maxLength: 64 }),
    protocols: Type.Array(
      Type.Object({
        protocol_id: Type.String({ maxLength: 64 }),
        unique_id: Type.String({ maxLength: 255 }),
      }),
      { minItems: 1, maxItems: 16 },
    ),
  }),
  { maxItems: 16 },
);
const shared = {
  password: Type.Optional(fields.nullable(Type.String({ maxLength: 4096 }))),
  enabled: Type.Optional(fields.flag),
  default_project_id: Type.Optional(fields.nullable(fields.id)),
  description: Type.Optional(fields.nullable(fields.text)),
  options: Type.Optional(userOptions),
  federated: Type.Optional(federated),
};
const create = Type.Object({
  ...shared,
  name: fields.name,
  domain_id: Type.Optional(fields.nullable(fields.id)),
});
const update = fields.some({
  ...shared,
  name: Type.Optional(fields.name),
  domain_id: Type.Optional(fields.id),
});
const passwordBody = Type.Object({
  user: Type.Object(
    {
      password: Type.String({ maxLength: 4096 }),
      original_password: Type.String({ maxLength: 4096 }),
    },
    { additionalProperties: false },
  ),
});
const known = [
  'name',
  'password',
  'enabled',
  'default_project_id',
  'domain_id',
  'options',
  'password_expires_at',
  'federated',
];

export function userRoutes(
  core: IdentityCore,
  authenticator: Authenticator,
  directories: Directories,
): Route<IdentityCaller>[] {
  return [
    ...collectionRoutes(core, {
      rows: users,
      plural: 'users',
      member: 'user',
      create,
      update,
      listing: {
        filters: { name: 'text', enabled: 'flag', domain_id: 'text' },
        sortKeys: ['id', 'name', 'domain_id', 'enabled'],
        defaultSort: 'name',
      },
      view: userView(core),
      enrich: (views) => enrichUsers(core, views),
      target: (row) => ({ target: { user: row && { id: row.id, domain_id: row.domain_id } } }),
      createTarget: (given, request) => ({
        target: { user: { domain_id: domainForNew(request, given.domain_id) } },
      }),
      listTarget: (request) => ({ target: { domain_id: domainOf(request) } }),
      where: (request) => [...confinement(request), ...filters(request)],
      beforeList: async (request) => {
        const domainId = domainOf(request) ?? request.query.get('domain_id');
        if (domainId !== null) await directories.refresh(domainId);
      },
      guard: (row, from) => directories.refuseWrite(row.domain_id, from),
      prepare: async (given) => {
        if (typeof given.password !== 'string') return undefined;
        refuseWeak(core, given.password);
        return core.passwords.hash(given.password);
      },
      fresh: (given, request) =>
        userRow(core, {
          ...given,
          domainId: domainForNew(request, given.domain_id),
          defaultProjectId: given.default_project_id,
          extra: fields.extraOf(given, known),
        }),
      changed: (before, given) => changedUser(core, before, given),
      check: async (row, before, transaction) => {
        if (before === undefined) await namedDomain(transaction, row.domain_id);
      },
      written: async (row, { before, given, prepared: hash }, transaction) => {
        await linkFederated(transaction, row, given.federated);
        if (hash !== undefined) await setPassword(core, transaction, row, hash);
        if (before === undefined) return;
        if (given.password === null)
          await transaction.deleteFrom('identity_password').where('user_id', '=', row.id).execute();
        // Enabling somebody again must not bring old tokens back to life.
        if (given.password !== undefined || row.enabled === 0)
          await core.revokeUser(transaction, row.id);
      },
      removing: (row, transaction) => removeActor(transaction, 'user', row.id),
    }),
    passwordRoute(core, authenticator),
    ...reachRoutes(core),
  ];
}

function confinement(request: Request): RawBuilder<boolean>[] {
  const confinedTo = domainOf(request);
  return confinedTo === undefined ? [] : [sql<boolean>`domain_id = ${confinedTo}`];
}

/** Filters over what other tables know: when the password ends, and who vouches for the user. */
function filters(request: Request): RawBuilder<boolean>[] {
  const found: RawBuilder<boolean>[] = [];
  for (const [name, value] of request.query) {
    if (name === 'password_expires_at') found.push(expiryFilter(value));
    if (name === 'idp_id' || name === 'protocol_id' || name === 'unique_id')
      found.push(
        sql<boolean>`id in (select user_id from identity_federated_user where ${sql.ref(name)} = ${value})`,
      );
  }
  return found;
}

const comparators = new Map([
  ['lt', '<'],
  ['lte', '<='],
  ['gt', '>'],
  ['gte', '>='],
  ['eq', '='],
  ['neq', '<>'],
]);

/** `lt:2026-01-31T00:00:00Z`. */
function expiryFilter(value: string): RawBuilder<boolean> {
  const colon = value.indexOf(':');
  const named = comparators.get(value.slice(0, colon));
  const us = parseIsoTime(named === undefined ? value : value.slice(colon + 1));
  if (us === undefined)
    throw identityFailure('schema-invalid', { detail: `Unable to parse ${value.slice(0, 64)}.` });
  return sql<boolean>`id in (select user_id from identity_password where expires_at_us ${sql.raw(named ?? '=')} ${us})`;
}

function changedUser(core: IdentityCore, before: UserRow, given: Static<typeof update>): UserRow {
  fields.refuseOtherDomain(before.domain_id, given.domain_id);
  const freed = given.enabled === true;
  return {
    ...before,
    name: given.name?.trim() ?? before.name,
    enabled: fields.changedFlag(given.enabled, before.enabled),
    default_project_id: fields.changed(given.default_project_id, before.default_project_id),
    options: mergeOptions(before.options, given.options),
    extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
    failed_count: freed ? 0 : before.failed_count,
    failed_at_us: freed ? null : before.failed_at_us,
    last_active_at_us: freed ? core.clock.nowUs() : before.last_active_at_us,
  };
}

function passwordRoute(core: IdentityCore, authenticator: Authenticator): Route<IdentityCaller> {
  return route({
    method: 'POST',
    path: '/v3/users/:user_id/password',
    // The original password is the proof; a user whose password expired has no token.
    policy: 'public',
    body: passwordBody,
    handle: async (request) => {
      const id = parameter(request, 'user_id');
      const { original_password: original, password } = request.body.user;
      const user = await authenticator.proveForChange(id, original);
      refuseWeak(core, password);
      await refuseOwnChange(core, user, password);
      const hash = await core.passwords.hash(password);
      await core.change(async (transaction) => {
        await setPassword(core, transaction, user, hash, 'user');
        await core.revokeUser(transaction, id);
      });
      return { status: 204 };
    },
  });
}

function reachRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const target = async (request: Request) => {
    const row = await users.find(db, parameter(request, 'user_id'));
    return { target: { user: row && { id: row.id, domain_id: row.domain_id } } };
  };
  const theUser = (request: Request) => users.get(db, parameter(request, 'user_id'));
  return [
    route({
      method: 'GET',
      path: '/v3/users/:user_id/projects',
      policy: 'identity:list_user_projects',
      target,
      handle: async (request) => {
        const rows = await targetsOfUser(db, (await theUser(request)).id, 'project');
        const views = rows
          .map((row) => linked(request, 'projects', projectView(row)))
          .filter((view) =>
            ['name', 'domain_id', 'enabled'].every((name) =>
              fields.isWanted(view, request.query, name),
            ),
          );
        return listReply(request, 'projects', views);
      },
    }),
    route({
      method: 'GET',
      path: '/v3/users/:user_id/groups',
      policy: 'identity:list_groups_for_user',
      target,
      handle: async (request) => {
        const groups = await groupsOf(core, (await theUser(request)).id);
        const confinedTo = domainOf(request);
        const views = groups
          .filter((view) => confinedTo === undefined || view.domain_id === confinedTo)
          .filter((view) => fields.isWanted(view, request.query, 'name'))
          .map((view) => linked(request, 'groups', view));
        return listReply(request, 'groups', views);
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/users/:user_id/tokens',
      policy: 'identity:update_user',
      target,
      handle: async (request) => {
        const { id } = await theUser(request);
        await core.change((transaction) => core.revokeUser(transaction, id));
        core.log.info({ userId: id, by: callerOf(request).userId }, 'all tokens revoked');
        return { status: 204 };
      },
    }),
  ];
}

/** Lasting memberships, and those that a mapping gave for a while. */
async function groupsOf(core: IdentityCore, userId: string): Promise<View[]> {
  const lasting = await core.db
    .selectFrom('identity_group')
    .innerJoin('identity_membership', 'identity_membership.group_id', 'identity_group.id')
    .selectAll('identity_group')
    .where('identity_membership.user_id', '=', userId)
    .orderBy('identity_group.name')
    .execute();
  const passing = await core.db
    .selectFrom('identity_group')
    .innerJoin(
      'identity_expiring_membership',
      'identity_expiring_membership.group_id',
      'identity_group.id',
    )
    .selectAll('identity_group')
    .select('identity_expiring_membership.expires_at_us')
    .where('identity_expiring_membership.user_id', '=', userId)
    .where('identity_expiring_membership.expires_at_us', '>', core.clock.nowUs())
    .execute();
  return [
    ...lasting.map(({ extra, ...row }) => ({ ...fields.parseExtra(extra), ...row })),
    ...passing.map(({ extra, expires_at_us: us, ...row }) => ({
      ...fields.parseExtra(extra),
      ...row,
      membership_expires_at: isoTime(us),
    })),
  ];
}
