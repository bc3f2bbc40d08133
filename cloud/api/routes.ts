/** Routes as declarations: path, method, policy rule, schema and handler side by side. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Static, TSchema } from 'typebox';
import type { VersionRange } from './microversions.ts';
import type { PolicyCredentials, PolicyTarget } from './policy.ts';
import type { StreamSource } from './streams.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Whoever made the request, as its service's authenticator understood the token. */
export interface Caller {
  readonly credentials: PolicyCredentials;
  /** For the audit log. */
  readonly userId: string;
  readonly projectId: string | undefined;
}

export interface ApiRequest<C extends Caller, B> {
  /** A HEAD asks the route of its GET. */
  readonly method: Method | 'HEAD';
  /** The microversion that was agreed on; '' where the service has none. */
  readonly version: string;
  /** Whether that version is within a range: `within({ from: '2.53' })`. */
  within(range: VersionRange): boolean;
  /** Path parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Checked against the route's schema; the bytes as they come on a `stream` route; `undefined` when it has neither. */
  readonly body: B;
  /** `undefined` on public routes when no valid token came along. */
  readonly caller: C | undefined;
  /** Where clients reach this service: scheme, host and prefix, without a slash at the end. */
  readonly baseUrl: string;
  /** The path after the prefix, with the query, as it came. */
  readonly url: string;
  readonly requestId: string;
  /** The id under which a client or another service knows the larger whole that this request is part of. */
  readonly globalRequestId: string | undefined;
  readonly remoteAddress: string;
  /** Whether the caller may do something else than the route's own rule says. */
  may(rule: string, target?: PolicyTarget): boolean;
}

export interface ApiReply {
  /** 200 unless said. */
  readonly status?: number;
  readonly body?: unknown;
  /** Instead of `body`: bytes, sent as fast as the client takes them. `headers` name their type and length. */
  readonly stream?: StreamSource;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whom the audit trail names where the request came without a token, such as a log-in. */
  readonly actor?: { readonly userId: string; readonly projectId: string | undefined };
}

/** What a route takes: JSON by a schema, bytes that its handler reads, or nothing. */
export type BodyDeclaration = TSchema | 'stream' | undefined;

export interface RouteDeclaration<C extends Caller, S extends BodyDeclaration> {
  readonly method: Method;
  /** `/v3/users/:user_id`; a GET answers HEAD too. */
  readonly path: string;
  /** The policy rule; `public` needs no token, `any-token` a valid one. */
  readonly policy: string;
  readonly body?: S;
  /** The microversions that have this route; another declaration of the same path may serve the others. */
  readonly versions?: VersionRange;
  /** Content types that are taken; `application/json` unless said, and anything on a `stream` route. */
  readonly mediaTypes?: readonly string[];
  /** The most bytes of a body; without it the server's limit, and none on a `stream` route. */
  readonly bodyBytesMax?: number;
  /** What the rule's `%(target.…)s` see. Loads quietly: what is missing stays missing, so that a refusal does not tell. */
  target?(request: ApiRequest<C, BodyOf<S>>): PolicyTarget | Promise<PolicyTarget>;
  handle(request: ApiRequest<C, BodyOf<S>>): ApiReply | Promise<ApiReply>;
}

type BodyOf<S extends BodyDeclaration> = S extends 'stream'
  ? AsyncIterable<Uint8Array>
  : S extends TSchema
    ? Static<S>
    : undefined;

/** A route whose body type is known only to itself. */
export interface Route<C extends Caller> {
  readonly method: Method;
  readonly path: string;
  readonly policy: string;
  readonly schema: TSchema | undefined;
  readonly streams: boolean;
  readonly versions: VersionRange | undefined;
  readonly mediaTypes: readonly string[] | undefined;
  readonly bodyBytesMax: number | undefined;
  /** `body` was checked against `schema`. */
  readonly target: (request: ApiRequest<C, unknown>) => PolicyTarget | Promise<PolicyTarget>;
  readonly handle: (request: ApiRequest<C, unknown>) => ApiReply | Promise<ApiReply>;
}

/** Returns the declarer of routes for one kind of caller. */
export function routesFor<C extends Caller>() {
  return <const S extends BodyDeclaration = undefined>(
    declaration: RouteDeclaration<C, S>,
  ): Route<C> => {
    const { target, body } = declaration;
    // The one place where a body changes its type: the server checks it against this very schema first.
    const typed = (request: ApiRequest<C, unknown>) => request as ApiRequest<C, BodyOf<S>>;
    return {
      method: declaration.method,
      path: declaration.path,
      policy: declaration.policy,
      schema: body === undefined || typeof body === 'string' ? undefined : body,
      streams: body === 'stream',
      versions: declaration.versions,
      mediaTypes: declaration.mediaTypes,
      bodyBytesMax: declaration.bodyBytesMax,
      target: target === undefined ? () => ({}) : (request) => target(typed(request)),
      handle: (request) => declaration.handle(typed(request)),
    };
  };
}
