/** Routes as declarations: path, method, policy rule, schema and handler side by side. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Static, TSchema } from 'typebox';
import type { PolicyCredentials, PolicyTarget } from './policy.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Whoever made the request, as its service's authenticator understood the token. */
export interface Caller {
  readonly credentials: PolicyCredentials;
  /** For the audit log. */
  readonly userId: string;
  readonly projectId: string | undefined;
}

export interface ApiRequest<C extends Caller, B> {
  /** Path parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Checked against the route's schema; `undefined` when it has none. */
  readonly body: B;
  /** `undefined` on public routes when no valid token came along. */
  readonly caller: C | undefined;
  /** Where clients reach this service: scheme, host and prefix, without a slash at the end. */
  readonly baseUrl: string;
  /** The path after the prefix, with the query, as it came. */
  readonly url: string;
  readonly requestId: string;
  readonly remoteAddress: string;
  /** Whether the caller may do something else than the route's own rule says. */
  may(rule: string, target?: PolicyTarget): boolean;
}

export interface ApiReply {
  /** 200 unless said. */
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteDeclaration<C extends Caller, S extends TSchema | undefined> {
  readonly method: Method;
  /** `/v3/users/:user_id`; a GET answers HEAD too. */
  readonly path: string;
  /** The policy rule; `public` needs no token, `any-token` a valid one. */
  readonly policy: string;
  readonly body?: S;
  /** What the rule's `%(target.…)s` see. Loads quietly: what is missing stays missing, so that a refusal does not tell. */
  target?(request: ApiRequest<C, BodyOf<S>>): PolicyTarget | Promise<PolicyTarget>;
  handle(request: ApiRequest<C, BodyOf<S>>): ApiReply | Promise<ApiReply>;
}

type BodyOf<S extends TSchema | undefined> = S extends TSchema ? Static<S> : undefined;

/** A route whose body type is known only to itself. */
export interface Route<C extends Caller> {
  readonly method: Method;
  readonly path: string;
  readonly policy: string;
  readonly schema: TSchema | undefined;
  /** `body` was checked against `schema`. */
  readonly target: (request: ApiRequest<C, unknown>) => PolicyTarget | Promise<PolicyTarget>;
  readonly handle: (request: ApiRequest<C, unknown>) => ApiReply | Promise<ApiReply>;
}

/** Returns the declarer of routes for one kind of caller. */
export function routesFor<C extends Caller>() {
  return <const S extends TSchema | undefined = undefined>(
    declaration: RouteDeclaration<C, S>,
  ): Route<C> => {
    const { target } = declaration;
    // The one place where a body changes its type: the server checks it against this very schema first.
    const typed = (request: ApiRequest<C, unknown>) => request as ApiRequest<C, BodyOf<S>>;
    return {
      method: declaration.method,
      path: declaration.path,
      policy: declaration.policy,
      schema: declaration.body,
      target: target === undefined ? () => ({}) : (request) => target(typed(request)),
      handle: (request) => declaration.handle(typed(request)),
    };
  };
}
