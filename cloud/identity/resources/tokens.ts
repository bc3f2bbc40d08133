/** Tokens over HTTP: issue, validate, revoke; and what a token gives access to. */
import Type, { type Static } from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import type { Authenticator, Proof, WantedScope } from '../authenticate.ts';
import { callerOf, type IdentityCaller, type Request, route } from '../caller.ts';
import type { DomainRef } from '../contexts.ts';
import type { IdentityCore } from '../core.ts';
import { identityFailure } from '../failures.ts';
import { assignmentsOfUser, targetsOfUser } from '../roles.ts';
import { isoTime } from '../times.ts';
import type { TokenInfo, Tokens } from '../tokens/tokens.ts';
import { catalogFor } from './catalog.ts';
import { projectView } from './projects.ts';
import { linked, listReply, type View } from './views.ts';

const short = Type.String({ maxLength: 255 });
const domain = Type.Object({ id: Type.Optional(short), name: Type.Optional(short) });
const reference = Type.Object({
  id: Type.Optional(short),
  name: Type.Optional(short),
  domain: Type.Optional(domain),
});
const identity = Type.Object({
  methods: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 8 }),
  password: Type.Optional(
    Type.Object({
      user: Type.Object({ ...reference.properties, password: Type.String({ maxLength: 4096 }) }),
    }),
  ),
  token: Type.Optional(Type.Object({ id: Type.String({ maxLength: 4096 }) })),
  application_credential: Type.Optional(
    Type.Object({
      id: Type.Optional(short),
      name: Type.Optional(short),
      secret: Type.String({ maxLength: 1024 }),
      user: Type.Optional(reference),
    }),
  ),
});
const scope = Type.Union([
  Type.String({ maxLength: 64 }),
  Type.Object({
    unscoped: Type.Optional(Type.Object({})),
    project: Type.Optional(reference),
    domain: Type.Optional(domain),
    system: Type.Optional(Type.Object({ all: Type.Optional(Type.Boolean()) })),
    'OS-TRUST:trust': Type.Optional(Type.Object({})),
  }),
]);
const authBody = Type.Object({
  auth: Type.Object({ identity, scope: Type.Optional(scope) }),
});

export function tokenRoutes(
  core: IdentityCore,
  tokens: Tokens,
  authenticator: Authenticator,
): Route<IdentityCaller>[] {
  const { db } = core;
  const subjectOf = async (request: Request): Promise<TokenInfo> => {
    const token = subjectToken(request);
    const info = await tokens.validate(token);
    if (info === undefined) throw identityFailure('token-missing');
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
        const { token, info } = await authenticator.authenticate(
          proofsOf(auth.identity),
          scopeOf(auth.scope),
        );
        const view = await tokenView(core, info, withCatalog(request));
        return { status: 201, body: { token: view }, headers: { 'X-Subject-Token': token } };
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
        if (info.scope.kind === 'unscoped')
          throw identityFailure('forbidden', {
            why: 'A scoped token is required to produce a service catalog.',
          });
        const catalog = await catalogFor(db, projectIdOf(info));
        return { body: { catalog, links: { self: `${request.baseUrl}${request.url}` } } };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/auth/projects',
      policy: 'any-token',
      handle: (request) => listTargets(core, request, 'project'),
    }),
    route({
      method: 'GET',
      path: '/v3/auth/domains',
      policy: 'any-token',
      handle: (request) => listTargets(core, request, 'domain'),
    }),
    route({
      method: 'GET',
      path: '/v3/auth/system',
      policy: 'any-token',
      handle: async (request) => {
        const assignments = await assignmentsOfUser(db, callerOf(request).userId);
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

/** The proofs a log-in brings: every method it names must have its part. */
function proofsOf(given: Static<typeof identity>): Proof[] {
  const missing = (method: string) =>
    identityFailure('schema-invalid', { detail: `Expecting to find ${method} in identity.` });
  return [...new Set(given.methods)].map((method): Proof => {
    switch (method) {
      case 'password': {
        if (given.password === undefined) throw missing(method);
        const { password, ...user } = given.password.user;
        if (user.id === undefined && user.name === undefined)
          throw identityFailure('schema-invalid', {
            detail: 'Invalid input for field identity/password/user: id or name must be present.',
          });
        return { method, user, password };
      }
      case 'token':
        if (given.token === undefined) throw missing(method);
        return { method, token: given.token.id };
      case 'application_credential': {
        if (given.application_credential === undefined) throw missing(method);
        const { secret, user, ...credential } = given.application_credential;
        return { method, credential, user, secret };
      }
      default:
        throw identityFailure('method-unsupported');
    }
  });
}

function scopeOf(given: Static<typeof scope> | undefined): WantedScope {
  if (given === undefined) return { kind: 'default' };
  if (typeof given === 'string') {
    if (given === 'unscoped') return { kind: 'unscoped' };
    throw identityFailure('schema-invalid', { detail: 'The only scope in one word is unscoped.' });
  }
  const parts = Object.keys(given);
  if (given['OS-TRUST:trust'] !== undefined)
    throw identityFailure('not-implemented', { what: 'A trust scope' });
  if (parts.length > 1)
    throw identityFailure('schema-invalid', {
      detail: 'Authentication cannot be scoped to several targets.',
    });
  if (given.project !== undefined)
    return { kind: 'project', project: named(given.project, 'project') };
  if (given.domain !== undefined) return { kind: 'domain', domain: named(given.domain, 'domain') };
  if (given.system?.all === true) return { kind: 'system' };
  if (given.unscoped !== undefined) return { kind: 'unscoped' };
  throw identityFailure('schema-invalid', { detail: 'Expecting to find a target in scope.' });
}

function named<R extends { readonly id?: string; readonly name?: string }>(
  given: R,
  what: string,
): R {
  if (given.id !== undefined || given.name !== undefined) return given;
  throw identityFailure('schema-invalid', {
    detail: `Invalid input for field scope/${what}: id or name must be present.`,
  });
}

const projectIdOf = (info: TokenInfo) =>
  info.scope.kind === 'project' ? info.scope.id : undefined;

export async function tokenView(
  core: IdentityCore,
  info: TokenInfo,
  catalog: boolean,
): Promise<View> {
  const { scope: at, user } = info;
  const domainView = (ref: DomainRef) => ({ id: ref.id, name: ref.name });
  const credential = info.applicationCredential;
  return {
    methods: info.methods,
    user: {
      id: user.id,
      name: user.name,
      domain: domainView(user.domain),
      password_expires_at: user.passwordExpiresAt,
    },
    audit_ids: [...new Set(info.auditIds)],
    expires_at: isoTime(info.expiresAtUs),
    issued_at: isoTime(info.issuedAtUs),
    ...(at.kind === 'project'
      ? {
          project: { id: at.id, name: at.name, domain: domainView(at.domain) },
          is_domain: at.isDomain,
        }
      : {}),
    ...(at.kind === 'domain' ? { domain: domainView(at) } : {}),
    ...(at.kind === 'system' ? { system: { all: true } } : {}),
    ...(at.kind === 'unscoped' ? {} : { roles: info.roles }),
    ...(at.kind !== 'unscoped' && catalog
      ? { catalog: await catalogFor(core.db, projectIdOf(info)) }
      : {}),
    ...(credential === undefined
      ? {}
      : {
          application_credential: {
            id: credential.id,
            name: credential.name,
            restricted: !credential.unrestricted,
          },
        }),
  };
}

async function listTargets(
  core: IdentityCore,
  request: Request,
  type: 'project' | 'domain',
): Promise<ApiReply> {
  const rows = await targetsOfUser(core.db, callerOf(request).userId, type);
  const views = rows
    .filter((row) => row.enabled === 1)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((row) => linked(request, `${type}s`, projectView(row)));
  return listReply(request, `${type}s`, views);
}
