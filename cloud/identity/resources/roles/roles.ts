/** Roles. */
import { sql } from 'kysely';
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import type { IdentityCaller } from '../../caller.ts';
import type { Db, IdentityCore, Tx } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { RoleRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { mergeOptions, refuseImmutable, refuseImmutableRemoval } from '../options.ts';
import { namedDomain } from '../projects/domains.ts';
import { rowsOf } from '../rows.ts';
import type { View } from '../views.ts';

export const roles = rowsOf('identity_role', 'role');

export const findRole = (db: Db, id: string) => roles.find(db, id);

interface NewRole {
  readonly name: string;
  readonly domainId?: string;
  readonly description?: string | null | undefined;
  readonly options?: fields.Options | undefined;
  readonly extra?: object;
}

const roleRow = (core: IdentityCore, role: NewRole): RoleRow => ({
  id: core.newId(),
  domain_id: role.domainId ?? '',
  name: role.name.trim(),
  description: role.description ?? null,
  options: mergeOptions('{}', role.options),
  extra: JSON.stringify(role.extra ?? {}),
});

export async function insertRole(
  core: IdentityCore,
  transaction: Tx,
  role: NewRole,
): Promise<RoleRow> {
  const row = roleRow(core, role);
  await roles.insert(transaction, row, row.name);
  return row;
}

export function roleView(row: RoleRow): View {
  return {
    ...fields.parseExtra(row.extra),
    id: row.id,
    name: row.name,
    domain_id: row.domain_id === '' ? null : row.domain_id,
    description: row.description,
    options: JSON.parse(row.options),
  };
}

const shared = {
  domain_id: Type.Optional(fields.nullable(fields.id)),
  description: Type.Optional(fields.nullable(fields.text)),
  options: Type.Optional(fields.options),
};
const known = ['name', 'domain_id', 'description', 'options'];

export function roleRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return collectionRoutes(core, {
    rows: roles,
    plural: 'roles',
    member: 'role',
    create: Type.Object({ ...shared, name: fields.name }),
    update: fields.some({ ...shared, name: Type.Optional(fields.name) }),
    listing: {
      filters: { name: 'text', domain_id: 'text' },
      sortKeys: ['id', 'name'],
      defaultSort: 'name',
    },
    view: roleView,
    target: (row) => ({
      target: { role: row && { domain_id: row.domain_id === '' ? undefined : row.domain_id } },
    }),
    where: (request) => {
      // Roles of domains are listed only when asked for by domain.
      const domainId = request.query.get('domain_id');
      if (domainId === null || domainId === '') return [sql<boolean>`domain_id = ''`];
      if (!request.may('identity:list_domain_roles', { target: { domain_id: domainId } }))
        throw identityFailure('forbidden-action', { action: 'identity:list_domain_roles' });
      return [];
    },
    fresh: (given) =>
      roleRow(core, {
        ...given,
        domainId: given.domain_id ?? '',
        extra: fields.extraOf(given, known),
      }),
    changed: (before, given) => {
      refuseImmutable(before, given, 'role');
      fields.refuseOtherDomain(before.domain_id, given.domain_id);
      return {
        ...before,
        name: given.name?.trim() ?? before.name,
        description: fields.changed(given.description, before.description),
        options: mergeOptions(before.options, given.options),
        extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
      };
    },
    check: async (row, before, transaction) => {
      if (before === undefined && row.domain_id !== '')
        await namedDomain(transaction, row.domain_id);
    },
    removing: async (row) => refuseImmutableRemoval(row, 'role'),
  });
}
