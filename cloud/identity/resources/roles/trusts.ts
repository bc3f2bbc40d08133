/** Trusts (OS-TRUST): a user lets another act in a project, with some roles, as oneself or not, for a while, so often. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { callerOf, type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure, notFound } from '../../failures.ts';
import type { TrustRow } from '../../tables.ts';
import { isoTime } from '../../times.ts';
import { users } from '../actors/users.ts';
import * as fields from '../fields.ts';
import { projects } from '../projects/projects.ts';
import { linked, listReply, type View } from '../views.ts';
import { roles, roleView } from './roles.ts';
import { heldRoleIds, pedigreeOf, roleIdsOf, trusts } from './trust-rows.ts';
import { forbid, type Given, given, termsOf } from './trust-terms.ts';

const known = Object.keys(given.properties);
const forbidAction = (action: string) => identityFailure('forbidden-action', { action });

/** Without its roles, which lists leave out. */
function trustView(row: TrustRow): View {
  return {
    ...fields.parseExtra(row.extra),
    id: row.id,
    trustor_user_id: row.trustor_user_id,
    trustee_user_id: row.trustee_user_id,
    project_id: row.project_id,
    impersonation: row.impersonation === 1,
    expires_at: row.expires_at_us === null ? null : isoTime(row.expires_at_us),
    remaining_uses: row.remaining_uses,
    redelegated_trust_id: row.redelegated_trust_id,
    redelegation_count: row.redelegation_count,
    deleted_at: null,
  };
}

const targetOf = (trust: Pick<TrustRow, 'trustor_user_id' | 'trustee_user_id'> | undefined) => ({
  target: { trust: trust && { ...trust } },
});

export function trustRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const path = '/v3/OS-TRUST/trusts';
  // Upstream answers 404 before it looks at who asks; ids are not to be guessed.
  const target = async (request: Request) => targetOf(await theTrust(core, request));
  const full = async (request: Request, row: TrustRow) => {
    const held = await rolesOf(request, row, db);
    const self = `${request.baseUrl}${path.slice(0)}/${row.id}/roles`;
    const links = { self, next: null, previous: null };
    return linked(request, 'OS-TRUST/trusts', {
      ...trustView(row),
      roles: held,
      roles_links: links,
    });
  };
  return [
    route({
      method: 'GET',
      path,
      policy: 'any-token',
      handle: async (request) => {
        refuseLimited(request);
        const { query } = request;
        const trustor = query.get('trustor_user_id');
        const trustee = query.get('trustee_user_id');
        authorizeList(request, trustor, trustee);
        let rows = db.selectFrom('identity_trust').selectAll();
        if (trustor !== null) rows = rows.where('trustor_user_id', '=', trustor);
        if (trustee !== null) rows = rows.where('trustee_user_id', '=', trustee);
        const found = await rows.orderBy('id').limit(core.settings.listMax).execute();
        const nowUs = core.clock.nowUs();
        const views = found
          .filter((row) => isThere(row, nowUs))
          .map((row) => linked(request, 'OS-TRUST/trusts', trustView(row)));
        return listReply(request, 'trusts', views);
      },
    }),
    route({
      method: 'POST',
      path,
      policy: 'identity:create_trust',
      body: Type.Object({ trust: given }),
      target: (request) => targetOf(request.body.trust),
      handle: async (request) => {
        refuseLimited(request);
        const row = await core.change(async (transaction) => {
          const made = await newTrust(core, request, request.body.trust, transaction);
          await trusts.insert(transaction, made);
          return made;
        });
        return { status: 201, body: { trust: await full(request, row) } };
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:trust_id`,
      policy: 'identity:get_trust',
      target,
      handle: async (request) => {
        refuseLimited(request);
        return { body: { trust: await full(request, await theTrust(core, request)) } };
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/:trust_id`,
      policy: 'identity:delete_trust',
      target,
      handle: async (request) => {
        refuseLimited(request);
        // Those it was handed on to go with it, by their foreign key.
        await core.change(async (transaction) =>
          trusts.remove(transaction, parameter(request, 'trust_id')),
        );
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:trust_id/roles`,
      policy: 'identity:list_roles_for_trust',
      target,
      handle: async (request) => {
        const held = await rolesOf(request, await theTrust(core, request), db);
        const links = { self: `${request.baseUrl}${request.url}`, next: null, previous: null };
        return { body: { roles: held, links } };
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:trust_id/roles/:role_id`,
      policy: 'identity:get_role_for_trust',
      target,
      handle: async (request) => {
        const trust = await theTrust(core, request);
        const id = parameter(request, 'role_id');
        if (!roleIdsOf(trust).includes(id)) throw notFound('role', id);
        const role = await roles.get(db, id);
        return { body: { role: linked(request, 'roles', roleView(role)) } };
      },
    }),
  ];
}

/** A trust that is over, or used up, is one that is not there. */
const isThere = (row: TrustRow, nowUs: number): boolean =>
  (row.expires_at_us === null || row.expires_at_us > nowUs) && row.remaining_uses !== 0;

async function theTrust(core: IdentityCore, request: Request): Promise<TrustRow> {
  const id = parameter(request, 'trust_id');
  const row = await trusts.find(core.db, id);
  if (row === undefined || !isThere(row, core.clock.nowUs())) throw notFound('trust', id);
  return row;
}

async function rolesOf(request: Request, trust: TrustRow, db: Db): Promise<View[]> {
  const views: View[] = [];
  for (const id of roleIdsOf(trust)) {
    const role = await roles.find(db, id);
    if (role !== undefined) views.push(linked(request, 'roles', roleView(role)));
  }
  return views;
}

function authorizeList(request: Request, trustor: string | null, trustee: string | null): void {
  const asked =
    trustor !== null
      ? 'list_trusts_for_trustor'
      : trustee !== null
        ? 'list_trusts_for_trustee'
        : 'list_trusts';
  const target = { target: { trust: { trustor_user_id: trustor, trustee_user_id: trustee } } };
  if (!request.may(`identity:${asked}`, target)) throw forbidAction(`identity:${asked}`);
}

/** What is for less than its user must not hand on all of it; a trust itself may be, if it says so. */
function refuseLimited(request: Request): void {
  const { info } = callerOf(request);
  if (info.applicationCredential !== undefined || info.methods.includes('ec2credential'))
    throw forbidAction('Delegated tokens cannot manage trusts.');
}

async function newTrust(
  core: IdentityCore,
  request: Request,
  trust: Given,
  db: Db,
): Promise<TrustRow> {
  const projectId = trust.project_id ?? null;
  if (projectId !== null && (trust.roles ?? []).length === 0)
    throw forbidAction('At least one role should be specified');
  if (callerOf(request).userId !== trust.trustor_user_id)
    throw forbidAction('The authenticated user should match the trustor');
  await users.get(db, trust.trustee_user_id);
  const parent = await parentOf(request, db);
  const roleIds = await namedRoles(trust.roles ?? [], db);
  await refuseUnheld(core, { trust, parent, projectId, roleIds }, db);
  const terms = await termsOf(core, trust, parent, roleIds, db);
  return {
    id: core.newId(),
    trustor_user_id: trust.trustor_user_id,
    trustee_user_id: trust.trustee_user_id,
    project_id: projectId,
    redelegated_trust_id: parent?.id ?? null,
    role_ids: JSON.stringify(roleIds),
    extra: JSON.stringify(fields.extraOf(trust, known)),
    impersonation: trust.impersonation ? 1 : 0,
    ...terms,
  };
}

/** The trust this one is handed on from, when the caller's own token is of one. */
async function parentOf(request: Request, db: Db): Promise<TrustRow | undefined> {
  const { trust } = callerOf(request).info;
  return trust === undefined ? undefined : trusts.get(db, trust.id);
}

async function namedRoles(
  wanted: readonly { readonly id?: string; readonly name?: string }[],
  db: Db,
): Promise<string[]> {
  const ids: string[] = [];
  for (const { id, name } of wanted) {
    if (id !== undefined) {
      ids.push(id);
      continue;
    }
    const row = await db
      .selectFrom('identity_role')
      .select('id')
      .where('name', '=', name ?? '')
      .where('domain_id', '=', '')
      .executeTakeFirst();
    if (row === undefined) throw notFound('role', name ?? '');
    ids.push(row.id);
  }
  return [...new Set(ids)];
}

interface Wish {
  readonly trust: Given;
  readonly parent: TrustRow | undefined;
  readonly projectId: string | null;
  readonly roleIds: readonly string[];
}

/** Nobody gives what they do not hold: the first trustor of the line must have every role. */
async function refuseUnheld(core: IdentityCore, wish: Wish, db: Db): Promise<void> {
  const { trust, parent, projectId, roleIds } = wish;
  if (projectId === null) {
    if (roleIds.length > 0) throw notFound('role', roleIds[0] ?? '');
    return;
  }
  await projects.get(db, projectId);
  if (parent !== undefined && parent.project_id !== projectId)
    throw forbid('The redelegated trust is for another project.');
  const first = parent === undefined ? undefined : (await pedigreeOf(db, parent)).at(-1);
  const trustorId = first?.trustor_user_id ?? trust.trustor_user_id;
  const held = await heldRoleIds(db, { userId: trustorId, projectId, nowUs: core.clock.nowUs() });
  const missing = roleIds.find((id) => !held.has(id));
  if (missing !== undefined) throw notFound('role', missing);
}
