/** Access rules: which requests, to which service, an application credential is good for. */
import type { ApiRequest, Caller, Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { AccessRule, Context } from '../../contexts.ts';
import type { Db, IdentityCore, Tx } from '../../core.ts';
import { identityFailure, notFound } from '../../failures.ts';
import type { AccessRuleRow, ApplicationCredentialRow } from '../../tables.ts';
import { findUser } from '../actors/users.ts';
import { refuseDelegation } from '../roles/delegation.ts';
import { rowsOf } from '../rows.ts';
import { linked, listReply } from '../views.ts';

const rules = rowsOf('identity_access_rule', 'access rule');

export interface GivenRule {
  readonly id?: string;
  readonly service?: string;
  readonly method?: string;
  readonly path?: string;
}

const ruleView = ({ id, service, method, path }: AccessRuleRow) => ({ id, service, method, path });

/** Makes of what a body says rules that are there: by id one of the user's own, else the same one or a new one. */
export async function ensureRules(
  core: IdentityCore,
  transaction: Tx,
  userId: string,
  given: readonly GivenRule[],
): Promise<AccessRuleRow[]> {
  const made: AccessRuleRow[] = [];
  for (const one of given) made.push(await ensureRule(core, transaction, userId, one));
  return made;
}

async function ensureRule(
  core: IdentityCore,
  transaction: Tx,
  userId: string,
  given: GivenRule,
): Promise<AccessRuleRow> {
  const { id, service, method, path } = given;
  if (id !== undefined) {
    const known = await rules.find(transaction, id);
    if (known?.user_id !== userId) throw notFound('access rule', id);
    return known;
  }
  if (service === undefined || method === undefined || path === undefined)
    throw identityFailure('schema-invalid', {
      detail: 'An access rule needs a service, a method and a path, or an id.',
    });
  const same = await transaction
    .selectFrom('identity_access_rule')
    .selectAll()
    .where((where) => where.and({ user_id: userId, service, method, path }))
    .executeTakeFirst();
  if (same !== undefined) return same;
  const row = { id: core.newId(), user_id: userId, service, method, path };
  await rules.insert(transaction, row);
  return row;
}

/** The rules of a credential; nothing when it is good for everything. */
export async function rulesOf(
  db: Db,
  credential: Pick<ApplicationCredentialRow, 'access_rules'>,
): Promise<AccessRule[] | undefined> {
  if (credential.access_rules === null) return undefined;
  const ids: unknown = JSON.parse(credential.access_rules);
  const known = Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  if (known.length === 0) return [];
  const rows = await db
    .selectFrom('identity_access_rule')
    .selectAll()
    .where('id', 'in', known)
    .execute();
  // In the order in which they were given.
  return rows.map(ruleView).sort((a, b) => known.indexOf(a.id) - known.indexOf(b.id));
}

/** A request as rules speak of it: the type of the service, and the path without its prefix. */
export interface ServiceRequest {
  readonly service: string;
  readonly method: string;
  readonly path: string;
}

/** Whether a token may be used for a request: always, unless its application credential has rules. */
export function mayRequest(
  context: Pick<Context, 'applicationCredential'>,
  request: ServiceRequest | undefined,
): boolean {
  const rules = context.applicationCredential?.accessRules;
  if (rules === undefined) return true;
  return request !== undefined && rules.some((rule) => covers(rule, request));
}

/** Whether one rule covers a request, as keystonemiddleware reads them. */
export const covers = (rule: AccessRule, request: ServiceRequest): boolean =>
  rule.service === request.service &&
  rule.method === request.method &&
  matchesPath(rule.path, request.path);

const tokenPattern = /\{[^}]*\}|\*\*|\*|[^{}*]/g;

/**
 * `{name}` and `*` stand for what is between slashes, `**` for anything. Followed step by step rather than as a regular
 * expression, which `**` upon `**` would keep busy for years.
 */
export function matchesPath(pattern: string, path: string): boolean {
  const tokens = pattern.match(tokenPattern) ?? [];
  const isLong = (at: number) => tokens[at] === '**';
  // Where in the pattern one can be. `**` may stand for nothing, so who comes before it is past it, too.
  const settle = (places: Set<number>) => {
    for (const at of places) if (isLong(at)) places.add(at + 1);
    return places;
  };
  let places = settle(new Set([0]));
  for (const letter of path) {
    const next = new Set<number>();
    for (const at of places) {
      const token = tokens[at];
      if (token === undefined) continue;
      if (token === '**') next.add(at);
      else if (token !== '*' && token.length === 1) {
        if (token === letter) next.add(at + 1);
      } else if (letter !== '/') next.add(at).add(at + 1);
    }
    places = settle(next);
    if (places.size === 0) return false;
  }
  return places.has(tokens.length);
}

export function accessRuleRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const collection = '/v3/users/:user_id/access_rules';
  const target = async (request: Request) => {
    const user = await findUser(db, parameter(request, 'user_id'));
    return { target: { user: user && { id: user.id } } };
  };
  const theRule = async (request: Request, from: Db = db) => {
    const id = parameter(request, 'access_rule_id');
    const row = await rules.find(from, id);
    if (row?.user_id !== parameter(request, 'user_id')) throw notFound('access rule', id);
    return row;
  };
  const show = (request: ApiRequest<Caller & IdentityCaller, unknown>, row: AccessRuleRow) =>
    linked(request, `users/${row.user_id}/access_rules`, ruleView(row));
  return [
    route({
      method: 'GET',
      path: collection,
      policy: 'identity:list_access_rules',
      target,
      handle: async (request) => {
        refuseDelegation(request);
        let query = db
          .selectFrom('identity_access_rule')
          .selectAll()
          .where('user_id', '=', parameter(request, 'user_id'));
        for (const name of ['service', 'method', 'path'] as const) {
          const wanted = request.query.get(name);
          if (wanted !== null) query = query.where(name, '=', wanted);
        }
        const rows = await query.orderBy('id').limit(core.settings.listMax).execute();
        const views = rows.map((row) => show(request, row));
        return listReply(request, 'access_rules', views);
      },
    }),
    route({
      method: 'GET',
      path: `${collection}/:access_rule_id`,
      policy: 'identity:get_access_rule',
      target,
      handle: async (request) => {
        refuseDelegation(request);
        return { body: { access_rule: show(request, await theRule(request)) } };
      },
    }),
    route({
      method: 'DELETE',
      path: `${collection}/:access_rule_id`,
      policy: 'identity:delete_access_rule',
      target,
      handle: async (request) => {
        refuseDelegation(request);
        await core.change(async (transaction) => {
          const row = await theRule(request, transaction);
          await refuseUsed(transaction, row);
          await rules.remove(transaction, row.id);
        });
        return { status: 204 };
      },
    }),
  ];
}

/** Taking away a rule that a credential has would leave it with fewer than its owner meant, or with none. */
async function refuseUsed(transaction: Tx, rule: AccessRuleRow): Promise<void> {
  const credentials = await transaction
    .selectFrom('identity_application_credential')
    .selectAll()
    .where('user_id', '=', rule.user_id)
    .where('access_rules', 'is not', null)
    .execute();
  for (const credential of credentials) {
    const held = await rulesOf(transaction, credential);
    if (held?.some((one) => one.id === rule.id) === true)
      throw identityFailure('forbidden', {
        why: `Could not delete access rule ${rule.id}: Access rule in use.`,
      });
  }
}
