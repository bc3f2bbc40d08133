/** One service's requests from the socket to its handlers and back: token, body, policy, answer, account. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type Clock,
  type Counter,
  Failure,
  type Gate,
  type Histogram,
  isFailure,
  type Logger,
} from '#common';
import { commonFailure, type Dialect, failureOf, renderFailure } from './failures.ts';
import {
  isWithin,
  type Microversions,
  negotiate,
  type VersionRange,
  versionHeaders,
} from './microversions.ts';
import type { Policy, PolicyRules, PolicyTarget } from './policy.ts';
import type { RateLimiter } from './rate-limit.ts';
import type { ApiRequest, Caller, Method, Route } from './routes.ts';
import { type BodyCheck, nestsDeeper } from './schema.ts';
import { acceptStreams, bytesOf, drain, sendStream } from './streams.ts';

/** What a token may be confined to: the method, and the path after the prefix. */
export interface RequestLine {
  readonly method: string;
  readonly path: string;
}

export interface ApiService<C extends Caller> {
  /** `identity`, `image` …: the name in metrics and logs. */
  readonly name: string;
  readonly dialect: Dialect;
  readonly policy: Policy;
  readonly routes: readonly Route<C>[];
  /** The caller behind a token, or nothing, also when the token is not for such a request; never throws for a bad one. */
  authenticate(token: string, request: RequestLine): Promise<C | undefined>;
  /** Headers on every reply of the service. */
  readonly headers: Readonly<Record<string, string>>;
  /** For a service whose API has microversions. */
  readonly versions?: Microversions;
}

/** Who did what, when, from where, and what came of it; of every request that changes something. */
export interface AuditRecord {
  readonly atUs: number;
  readonly service: string;
  readonly action: string;
  readonly method: string;
  /** Without the query: filters may hold what is nobody's business in a log. */
  readonly path: string;
  readonly status: number;
  readonly userId: string | undefined;
  readonly projectId: string | undefined;
  readonly from: string;
  readonly requestId: string;
  readonly globalRequestId: string | undefined;
}

export interface EdgeBounds {
  /** A streaming connection on which nothing moves for so long is ended. */
  readonly streamIdleMs: number;
  /** For so long a body that nobody reads is taken before its connection is ended. */
  readonly drainMs: number;
}

export interface ApiServerParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly durations: Histogram;
  readonly requests: Counter;
  readonly gate: Gate;
  /** Requests whose bodies stream: they take as long as their clients, so they have a gate of their own. */
  readonly streamGate: Gate;
  readonly rates: RateLimiter;
  audit(record: AuditRecord): void;
  /** Service → rules that replace its own. */
  readonly policies: Readonly<Record<string, PolicyRules>>;
  readonly bounds: EdgeBounds;
}

type Actor = Pick<Caller, 'userId' | 'projectId'>;

const bodyDepthMax = 32;

export class Edge<C extends Caller> {
  private readonly service: ApiService<C>;
  private readonly checks: ReadonlyMap<Route<C>, BodyCheck>;
  private readonly prefix: string;
  private readonly policy: Policy;
  private readonly parts: ApiServerParts;

  constructor(
    service: ApiService<C>,
    checks: ReadonlyMap<Route<C>, BodyCheck>,
    prefix: string,
    parts: ApiServerParts,
  ) {
    this.service = service;
    this.checks = checks;
    this.prefix = prefix;
    this.policy = service.policy.with(parts.policies[service.name] ?? {});
    this.parts = parts;
  }

  register(scope: FastifyInstance): void {
    scope.setErrorHandler((error, request, reply) => this.fail(error, request, reply));
    scope.setNotFoundHandler((request, reply) =>
      this.fail(failureOf(this.service.dialect.failures, 'route-missing'), request, reply),
    );
    // JSON by other names, such as JSON patch; which of them a route takes it says itself.
    const json = scope.getDefaultJsonParser('error', 'error');
    scope.addContentTypeParser(/^application\/[\w.+-]*json/, { parseAs: 'string' }, json);
    // Clients name a type for no body at all; a route that takes one says which types it takes.
    // A body without a type is JSON, as in OpenStack's own services: some clients send it with nothing but `If-Match`.
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
      if (request.headers['content-type'] !== undefined || bytes.length === 0)
        done(null, undefined);
      else json(request, bytes.toString(), done);
    });
    const methodsByPath = new Map<string, Set<Method>>();
    const byPlace = new Map<string, Route<C>[]>();
    for (const route of this.service.routes) {
      const methods = methodsByPath.get(route.path) ?? new Set();
      methodsByPath.set(route.path, methods.add(route.method));
      const place = `${route.method} ${route.path}`;
      byPlace.set(place, [...(byPlace.get(place) ?? []), route]);
    }
    const places = [...byPlace.values()];
    for (const routes of places) if (!streams(routes)) this.addRoutes(scope, routes);
    for (const [path, methods] of methodsByPath) this.refuseOthers(scope, path, methods);
    void scope.register(async (streaming) => {
      acceptStreams(streaming);
      for (const routes of places) if (streams(routes)) this.addRoutes(streaming, routes);
    });
  }

  /** Routes of one method and path, each for other versions. */
  private addRoutes(scope: FastifyInstance, routes: readonly Route<C>[]): void {
    const [first] = routes;
    if (first === undefined) return;
    const limits = routes.map((route) => route.bodyBytesMax ?? 0);
    const bodyLimit = Math.max(...limits);
    scope.route({
      method: first.method === 'GET' ? ['GET', 'HEAD'] : first.method,
      url: first.path,
      ...(bodyLimit === 0 || first.streams ? {} : { bodyLimit }),
      handler: (request, reply) => this.serve(routes, request, reply),
    });
  }

  private refuseOthers(scope: FastifyInstance, path: string, methods: Set<Method>): void {
    const all: Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
    const others = all.filter((method) => !methods.has(method));
    if (others.length === 0) return;
    const allowed = [...methods, ...(methods.has('GET') ? ['HEAD'] : [])].join(', ');
    scope.route({
      method: others,
      url: path,
      handler: (request, reply) => {
        reply.header('Allow', allowed);
        return this.fail(
          failureOf(this.service.dialect.failures, 'method-not-allowed'),
          request,
          reply,
        );
      },
    });
  }

  private async serve(
    routes: readonly Route<C>[],
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    try {
      const { versions, dialect } = this.service;
      const version = versions === undefined ? '' : negotiate(versions, request.headers);
      const route = routes.find((one) => version === '' || isWithin(version, one.versions));
      if (route === undefined) throw failureOf(dialect.failures, 'route-missing');
      await this.serveRoute(route, version, request, reply);
    } catch (error) {
      await this.fail(error, request, reply);
    }
  }

  private async serveRoute(
    route: Route<C>,
    version: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const startedMs = this.parts.clock.monotonicMs();
    let actor: Actor | undefined;
    const gate = route.streams ? this.parts.streamGate : this.parts.gate;
    try {
      await gate.enter();
    } catch (error) {
      await this.fail(error, request, reply);
      if (route.streams) drain(request, this.parts.clock, this.parts.bounds.drainMs);
      return;
    }
    // Bodies that stream may take as long as they move.
    if (route.streams) request.raw.socket.setTimeout(this.parts.bounds.streamIdleMs);
    try {
      const caller = await this.callerOf(request);
      actor = caller;
      this.limitRate(request, caller);
      if (caller === undefined && route.policy !== 'public')
        throw failureOf(this.service.dialect.failures, 'unauthorized');
      const api = this.requestOf(request, caller, version, this.bodyOf(route, request));
      await this.enforce(route, api);
      const answer = await route.handle(api);
      actor = answer.actor ?? actor;
      this.head(reply, request, version);
      reply.code(answer.status ?? 200);
      if (answer.headers !== undefined) reply.headers(answer.headers);
      if (answer.stream !== undefined) {
        request.raw.socket.setTimeout(this.parts.bounds.streamIdleMs);
        await sendStream(reply, answer.stream);
      } else if (answer.body === undefined) await reply.send();
      else await reply.type('application/json').send(JSON.stringify(answer.body));
    } catch (error) {
      await this.fail(error, request, reply);
    } finally {
      gate.leave();
      if (route.streams) drain(request, this.parts.clock, this.parts.bounds.drainMs);
      const seconds = (this.parts.clock.monotonicMs() - startedMs) / 1000;
      this.account(route, request, reply.statusCode, seconds, actor);
    }
  }

  private limitRate(request: FastifyRequest, caller: C | undefined): void {
    const who = caller === undefined ? request.ip : `${caller.userId}/${caller.projectId}`;
    const waitS = this.parts.rates.take(who);
    if (waitS > 0) throw commonFailure('rate-limited', { waitS });
  }

  private async callerOf(request: FastifyRequest): Promise<C | undefined> {
    const token = request.headers['x-auth-token'];
    if (typeof token !== 'string' || token === '') return undefined;
    const path = request.url.slice(this.prefix.length).split('?', 1)[0] ?? '';
    return this.service.authenticate(token, { method: request.method, path });
  }

  private bodyOf(route: Route<C>, request: FastifyRequest): unknown {
    this.checkMediaType(route, request);
    if (route.streams)
      return bytesOf(request, {
        bytesMax: route.bodyBytesMax ?? Number.POSITIVE_INFINITY,
        tooLarge: () => failureOf(this.service.dialect.failures, 'body-too-large'),
      });
    const check = this.checks.get(route);
    if (check === undefined) return undefined;
    const { failures } = this.service.dialect;
    if (nestsDeeper(request.body, bodyDepthMax))
      throw failureOf(failures, 'body-invalid', { detail: 'it is nested too deeply' });
    const problem = check(request.body ?? null);
    if (problem !== undefined) throw failureOf(failures, 'schema-invalid', { detail: problem });
    return request.body;
  }

  private checkMediaType(route: Route<C>, request: FastifyRequest): void {
    const { mediaTypes } = route;
    const found = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
    if (mediaTypes === undefined) {
      if (route.schema === undefined || found === undefined || found === 'application/json') return;
      throw failureOf(this.service.dialect.failures, 'body-invalid', {
        detail: 'expected application/json',
      });
    }
    if (found !== undefined && mediaTypes.includes(found)) return;
    throw commonFailure('media-type-unsupported', { found, expected: mediaTypes.join(', ') });
  }

  private async enforce(route: Route<C>, api: ApiRequest<C, unknown>): Promise<void> {
    if (route.policy === 'public' || route.policy === 'any-token') return;
    if (api.may(route.policy, await route.target(api))) return;
    throw failureOf(this.service.dialect.failures, 'forbidden-action', { action: route.policy });
  }

  private requestOf(
    request: FastifyRequest,
    caller: C | undefined,
    version: string,
    body: unknown,
  ): ApiRequest<C, unknown> {
    const url = request.url.slice(this.prefix.length);
    const question = url.indexOf('?');
    const { policy } = this;
    const params: Record<string, string> = Object.fromEntries(Object.entries(request.params ?? {}));
    // Nothing has such an id, and not every database can be asked for it.
    if (Object.values(params).some((value) => value.includes('\0')))
      throw failureOf(this.service.dialect.failures, 'route-missing');
    return {
      method: methodOf(request.method),
      version,
      within: (range: VersionRange) => isWithin(version, range),
      params,
      query: new URLSearchParams(question < 0 ? '' : url.slice(question + 1)),
      headers: request.headers,
      body,
      caller,
      baseUrl: `${request.protocol}://${hostOf(request)}${this.prefix}`,
      url,
      requestId: request.id,
      globalRequestId: globalIdOf(request),
      remoteAddress: request.ip,
      may: (rule: string, target: PolicyTarget = {}) =>
        caller !== undefined && policy.allows(rule, caller.credentials, target),
    };
  }

  private head(reply: FastifyReply, request: FastifyRequest, version?: string): void {
    const { headers, versions } = this.service;
    const vary = [reply.getHeader('Vary'), headers.Vary];
    reply.header('X-Openstack-Request-Id', request.id);
    reply.headers(headers);
    if (versions !== undefined) {
      const own = versionHeaders(versions, version);
      vary.push(own.Vary);
      reply.headers(own);
    }
    const all = vary.flatMap((value) => (typeof value === 'string' ? value.split(', ') : []));
    if (all.length > 0) reply.header('Vary', [...new Set(all)].join(', '));
  }

  async fail(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    // Half an answer is out already: the client must see that it ends too early.
    if (reply.sent || reply.raw.headersSent) {
      if (!isFailure(error, 'closed'))
        this.parts.log.error({ err: error, requestId: request.id }, 'a reply broke off');
      reply.raw.destroy();
      return;
    }
    const rendered = renderFailure(this.service.dialect, translated(error, this.service.dialect));
    if (rendered.status >= 500 && !isFailure(error, 'closed'))
      this.parts.log.error(
        { err: error, service: this.service.name, requestId: request.id, url: request.url },
        'request failed',
      );
    this.head(reply, request);
    if (rendered.status === 401)
      reply.header('WWW-Authenticate', `Keystone uri="${request.protocol}://${hostOf(request)}"`);
    if (isFailure(error) && error.code === 'rate-limited')
      reply.header('Retry-After', String(error.facts.waitS));
    if (rendered.status === 503) reply.header('Retry-After', '1');
    await reply.code(rendered.status).type('application/json').send(JSON.stringify(rendered.body));
  }

  private account(
    route: Route<C>,
    request: FastifyRequest,
    status: number,
    seconds: number,
    actor: Actor | undefined,
  ): void {
    const labels = { service: this.service.name, method: request.method, path: route.path };
    this.parts.durations.observe(labels, seconds);
    this.parts.requests.inc({ ...labels, status: String(status) });
    const record: AuditRecord = {
      atUs: this.parts.clock.nowUs(),
      service: this.service.name,
      action: actionOf(route),
      method: request.method,
      path: request.url.split('?', 1)[0] ?? '',
      status,
      userId: actor?.userId,
      projectId: actor?.projectId,
      from: request.ip,
      requestId: request.id,
      globalRequestId: globalIdOf(request),
    };
    // What changes something is the audit trail; reads are for debugging.
    if (route.method === 'GET') this.parts.log.debug(record, 'request');
    else this.parts.audit(record);
  }
}

/** A rule names what is done; where there is none, the route does. */
function actionOf(route: Route<never>): string {
  const ruled = route.policy !== 'public' && route.policy !== 'any-token';
  return ruled ? route.policy : `${route.method} ${route.path}`;
}

const streams = (routes: readonly Route<never>[]) => routes[0]?.streams === true;

const methods: readonly (Method | 'HEAD')[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

function methodOf(text: string): Method | 'HEAD' {
  const found = methods.find((method) => method === text);
  if (found === undefined) throw new Failure('bug', 'no-such-method', 'No route has this method');
  return found;
}

const hostPattern = /^[A-Za-z0-9._~[\]:-]{1,255}$/;

/** The Host the client used, or the address of this end of its connection when that header is nonsense. */
function hostOf(request: FastifyRequest): string {
  const { host } = request.headers;
  if (host !== undefined && hostPattern.test(host)) return host;
  return `${request.socket.localAddress ?? 'localhost'}:${request.socket.localPort ?? 0}`;
}

function globalIdOf(request: FastifyRequest): string | undefined {
  const given = request.headers['x-openstack-request-id'];
  return typeof given === 'string' && /^req-[0-9a-f-]{36}$/.test(given) ? given : undefined;
}

/** Fastify's own complaints (body too large, bad JSON, wrong media type) in our words. */
function translated(error: unknown, dialect: Dialect): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('statusCode' in error)) return error;
  const { failures } = dialect;
  if (error.statusCode === 413) return failureOf(failures, 'body-too-large', {}, error);
  if (error.statusCode === 415)
    return failureOf(failures, 'body-invalid', { detail: 'expected application/json' }, error);
  if (error.statusCode === 400)
    return failureOf(failures, 'body-invalid', { detail: 'it is not valid JSON' }, error);
  return error;
}
