/** Tokens over HTTP: issue, validate, revoke; and what a token gives access to. */
import type { ApiReply, Route } from '../../../api/index.ts';
import type { Authenticator, Receipted } from '../../authenticate/authenticator.ts';
import { callerOf, type IdentityCaller, type Request, route } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import { type ActorsBeside, assignmentsOfUser, targetsOfUser } from '../../roles.ts';
import { isoTime } from '../../times.ts';
import type { TokenInfo, Tokens } from '../../tokens/tokens.ts';
import { catalogFor } from '../catalog/catalog.ts';
import { domainView } from '../projects/domains.ts';
import { projectView } from '../projects/projects.ts';
import { linked, listReply, type View } from '../views.ts';
import { authBody, proofsOf, scopeOf } from './auth-body.ts';
import { tokenView } from './token-view.ts';

export function tokenRoutes(
  core: IdentityCore,
  tokens: Tokens,
  authenticator: Authenticator,
): Route<IdentityCaller>[] {
  const { db } = core;
  const subjectOf = async (request: Request): Promise<TokenInfo> => {
    const expired = /^(1|t|true|on|y|yes)$/i.test(request.query.get('allow_expired') ?? '');
    const graceS = expired ? core.settings.allowExpiredS : 0;
    const info = await tokens.validate(subjectToken(request), graceS);
    if (info === undefined) throw identityFailure('token-missing');
    // A service that knows nothing of access rules would grant what they forbid.
    const rules = info.applicationCredential?.accessRules;
    if (rules !== undefined && !knowsAccessRules(request)) throw identityFailure('token-missing');
    return info;
  };
  const target = async (request: Request) => ({
    target: { token: { user_id: (await subjectOf(request)).user.id } },
  });
  const withCatalog = (request: Request) => !request.query.has('nocatalog');

  return [
    route({
      method: 'POST',
      path: '/v3/auth/tokens',
      policy: 'public',
      body: authBody,
      handle: async (request) => {
        const { auth } = request.body;
        const receipt = request.headers['openstack-auth-receipt'];
        const result = await authenticator.authenticate(
          proofsOf(auth.identity),
          scopeOf(auth.scope),
          typeof receipt === 'string' ? receipt : undefined,
        );
        if ('receipt' in result) return receiptReply(core, result);
        const { token, info } = result;
        const view = await tokenView(core, info, withCatalog(request));
        return {
          status: 201,
          body: { token: view },
          headers: { 'X-Subject-Token': token },
          actor: {
            userId: info.user.id,
            projectId: info.scope.kind === 'project' ? info.scope.id : undefined,
          },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/auth/tokens',
      policy: 'identity:validate_token',
      target,
      handle: async (request) => {
        const view = await tokenView(core, await subjectOf(request), withCatalog(request));
        return { body: { token: view }, headers: { 'X-Subject-Token': subjectToken(request) } };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/auth/tokens',
      policy: 'identity:revoke_token',
      target,
      handle: async (request) => {
        const { auditIds } = await subjectOf(request);
        await core.change((transaction) => core.revoke(transaction, { auditId: auditIds[0] }));
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/auth/catalog',
      policy: 'any-token',
      handle: async (request) => {
        const { info } = callerOf(request);
        if (info.scope.kind !== 'project')
          throw identityFailure('forbidden', {
            why: 'A project-scoped token is required to produce a service catalog.',
          });
        const catalog = await catalogFor(db, info.scope.id);
        return { body: { catalog, links: { self: `${request.baseUrl}${request.url}` } } };
      },
    }),
    ...['/v3/auth/projects', '/v3/OS-FEDERATION/projects'].map((path) =>
      route({
        method: 'GET',
        path,
        policy: 'any-token',
        handle: (request) => listTargets(core, request, 'project'),
      }),
    ),
    ...['/v3/auth/domains', '/v3/OS-FEDERATION/domains'].map((path) =>
      route({
        method: 'GET',
        path,
        policy: 'any-token',
        handle: (request) => listTargets(core, request, 'domain'),
      }),
    ),
    route({
      method: 'GET',
      path: '/v3/auth/system',
      policy: 'any-token',
      handle: async (request) => {
        const { userId } = callerOf(request);
        const assignments = await assignmentsOfUser(db, userId, groupsBeside(core, request));
        const held = assignments.some((row) => row.target_type === 'system');
        const self = `${request.baseUrl}${request.url}`;
        return { body: { system: held ? [{ all: true }] : [], links: { self } } };
      },
    }),
  ];
}

function subjectToken(request: Request): string {
  const token = request.headers['x-subject-token'];
  if (typeof token === 'string' && token !== '') return token;
  throw identityFailure('token-missing');
}

function groupsBeside(core: IdentityCore, request: Request): ActorsBeside {
  const { federated } = callerOf(request).info;
  return { nowUs: core.clock.nowUs(), groupIds: federated?.groupIds ?? [] };
}

const knowsAccessRules = (request: Request): boolean =>
  Number.parseFloat(String(request.headers['openstack-identity-access-rules'] ?? '0')) >= 1;

/** The first factor was right: what it is good for, and what is missing. */
async function receiptReply(core: IdentityCore, result: Receipted): Promise<ApiReply> {
  const { receipt, user, required } = result;
  const domain = await core.db
    .selectFrom('identity_project')
    .select(['id', 'name'])
    .where('id', '=', user.domain_id)
    .executeTakeFirst();
  const view: View = {
    methods: receipt.methods,
    user: { id: user.id, name: user.name, domain },
    expires_at: isoTime(receipt.expiresAtUs),
    issued_at: isoTime(receipt.issuedAtUs),
  };
  return {
    status: 401,
    headers: { 'Openstack-Auth-Receipt': result.text },
    body: { receipt: view, required_auth_methods: required },
  };
}

async function listTargets(
  core: IdentityCore,
  request: Request,
  type: 'project' | 'domain',
): Promise<ApiReply> {
  const beside = groupsBeside(core, request);
  const rows = await targetsOfUser(core.db, callerOf(request).userId, type, beside);
  const view = type === 'domain' ? domainView : projectView;
  const views = rows
    .filter((row) => row.enabled === 1)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((row) => linked(request, `${type}s`, view(row)));
  return listReply(request, `${type}s`, views);
}
