/** The caller of an identity API: a valid token and what it stands for, as policy rules see it. */
import type { ApiRequest, Caller, PolicyCredentials } from '../api/index.ts';
import { routesFor } from '../api/index.ts';
import { identityFailure } from './failures.ts';
import type { TokenInfo } from './tokens/tokens.ts';

export interface IdentityCaller extends Caller {
  readonly token: string;
  readonly info: TokenInfo;
}

export const route = routesFor<IdentityCaller>();

export type Request<B = unknown> = ApiRequest<IdentityCaller, B>;

export function callerFrom(token: string, info: TokenInfo): IdentityCaller {
  const projectId = info.scope.kind === 'project' ? info.scope.id : undefined;
  return { token, info, userId: info.user.id, projectId, credentials: credentialsOf(info) };
}

/** What policy rules can ask about a token; other services use the same words. */
export function credentialsOf(info: TokenInfo): PolicyCredentials {
  const { scope, user } = info;
  return {
    roles: info.roles.map((role) => role.name),
    user_id: user.id,
    user_domain_id: user.domain.id,
    ...(scope.kind === 'project'
      ? { project_id: scope.id, project_domain_id: scope.domain.id }
      : {}),
    ...(scope.kind === 'domain' ? { domain_id: scope.id } : {}),
    ...(scope.kind === 'system' ? { system_scope: 'all' } : {}),
    token: {
      ...(scope.kind === 'project' ? { project: { domain: { id: scope.domain.id } } } : {}),
      ...(scope.kind === 'domain' ? { domain: { id: scope.id } } : {}),
    },
  };
}

/** The caller of a route that is not public. */
export function callerOf(request: Request): IdentityCaller {
  if (request.caller === undefined) throw identityFailure('unauthorized');
  return request.caller;
}

/** A path parameter; the router has matched it, so it is there. */
export function parameter(request: Request, name: string): string {
  const value = request.params[name];
  if (value === undefined) throw identityFailure('route-missing');
  return value;
}

/** The domain a domain-scoped caller is confined to in listings. */
export function domainOf(request: Request): string | undefined {
  const scope = request.caller?.info.scope;
  return scope?.kind === 'domain' ? scope.id : undefined;
}
