import { createServer as createTlsServer } from 'node:https';
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerFactory,
  fastify,
} from 'fastify';
import {
  type Clock,
  Counter,
  durationBuckets,
  Failure,
  Gate,
  Histogram,
  type Logger,
  listenFailure,
  type Metrics,
  type Random,
  randomUuid,
} from '#common';
import { type Dialect, failureOf, renderFailure } from './failures.ts';
import type { Policy, PolicyTarget } from './policy.ts';
import type { ApiRequest, Caller, Method, Route } from './routes.ts';
import { type BodyCheck, compileSchema, nestsDeeper } from './schema.ts';

export interface ApiService<C extends Caller> {
  /** `identity`, `image` …: the name in metrics and logs. */
  readonly name: string;
  readonly dialect: Dialect;
  readonly policy: Policy;
  readonly routes: readonly Route<C>[];
  /** The caller behind a token, or nothing; never throws for a bad token. */
  authenticate(token: string): Promise<C | undefined>;
  /** Headers on every reply of the service. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Operation {
  readonly method: Method;
  readonly path: string;
  readonly policy: string;
}

/** What `cli/` mounts: a service whose kind of caller no longer matters. */
export interface MountableService {
  readonly name: string;
  /** Every operation it answers, for the coverage table. */
  readonly operations: readonly Operation[];
  mount(app: FastifyInstance, prefix: string, parts: ApiServerParts): Refuse;
}

/** Renders a failure that came before routing (a URL that does not decode) in a service's dialect. */
export type Refuse = (
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<void>;

export interface ApiServerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly durations: Histogram;
  readonly requests: Counter;
  readonly gate: Gate;
}

export interface ApiServerOptions {
  /** Prefix (`` or `/identity`) → service. */
  readonly services: Readonly<Record<string, MountableService>>;
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly bounds?: Partial<ApiBounds>;
}

export interface ApiBounds {
  readonly bodyBytesMax: number;
  readonly inFlightMax: number;
  readonly waitingMax: number;
  readonly connectionsMax: number;
  readonly headerBytesMax: number;
  readonly requestTimeoutMs: number;
}

export const apiBounds: ApiBounds = {
  // Keystone's limit (oslo.middleware's max_request_body_size).
  bodyBytesMax: 114_688,
  inFlightMax: 256,
  waitingMax: 2_048,
  connectionsMax: 2_304,
  headerBytesMax: 32_768,
  requestTimeoutMs: 30_000,
};

export interface ApiServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const bodyDepthMax = 32;

/** Makes a service mountable: compiles its schemas and checks that every route's policy rule is there. */
export function apiService<C extends Caller>(service: ApiService<C>): MountableService {
  for (const route of service.routes) {
    const known = route.policy === 'public' || route.policy === 'any-token';
    if (!known && !service.policy.has(route.policy)) {
      const facts = { path: route.path, rule: route.policy };
      throw new Failure('bug', 'unknown-rule', 'A route names a policy rule that is not there', {
        facts,
      });
    }
  }
  const checks = new Map<Route<C>, BodyCheck>();
  for (const route of service.routes) {
    if (route.schema !== undefined) checks.set(route, compileSchema(route.schema));
  }
  return {
    name: service.name,
    operations: service.routes.map(({ method, path, policy }) => ({ method, path, policy })),
    mount: (app, prefix, parts) => {
      const edge = new Edge(service, checks, prefix, parts);
      void app.register(async (scope) => edge.register(scope), { prefix });
      return (error, request, reply) => edge.fail(error, request, reply);
    },
  };
}

class Edge<C extends Caller> {
  private readonly service: ApiService<C>;
  private readonly checks: ReadonlyMap<Route<C>, BodyCheck>;
  private readonly prefix: string;
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
    this.parts = parts;
  }

  register(scope: FastifyInstance): void {
    scope.setErrorHandler((error, request, reply) => this.fail(error, request, reply));
    scope.setNotFoundHandler((request, reply) =>
      this.fail(failureOf(this.service.dialect.failures, 'route-missing'), request, reply),
    );
    const methodsByPath = new Map<string, Set<Method>>();
    for (const route of this.service.routes) {
      const methods = methodsByPath.get(route.path) ?? new Set();
      methodsByPath.set(route.path, methods.add(route.method));
      scope.route({
        method: route.method,
        url: route.path,
        handler: (request, reply) => this.serve(route, request, reply),
      });
    }
    for (const [path, methods] of methodsByPath) this.refuseOthers(scope, path, methods);
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
    route: Route<C>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const startedMs = this.parts.clock.monotonicMs();
    let callerSeen: C | undefined;
    await this.parts.gate.enter();
    try {
      const caller = await this.callerOf(request);
      callerSeen = caller;
      if (caller === undefined && route.policy !== 'public')
        throw failureOf(this.service.dialect.failures, 'unauthorized');
      const api = this.requestOf(request, caller, this.bodyOf(route, request));
      await this.enforce(route, api);
      const answer = await route.handle(api);
      this.head(reply, request);
      reply.code(answer.status ?? 200);
      if (answer.headers !== undefined) reply.headers(answer.headers);
      if (answer.body === undefined) await reply.send();
      else await reply.type('application/json').send(JSON.stringify(answer.body));
    } catch (error) {
      await this.fail(error, request, reply);
    } finally {
      this.parts.gate.leave();
      const seconds = (this.parts.clock.monotonicMs() - startedMs) / 1000;
      this.account(route, request, reply.statusCode, seconds, callerSeen);
    }
  }

  private async callerOf(request: FastifyRequest): Promise<C | undefined> {
    const token = request.headers['x-auth-token'];
    if (typeof token !== 'string' || token === '') return undefined;
    return this.service.authenticate(token);
  }

  private bodyOf(route: Route<C>, request: FastifyRequest): unknown {
    const check = this.checks.get(route);
    if (check === undefined) return undefined;
    const { failures } = this.service.dialect;
    if (nestsDeeper(request.body, bodyDepthMax))
      throw failureOf(failures, 'body-invalid', { detail: 'it is nested too deeply' });
    const problem = check(request.body ?? null);
    if (problem !== undefined) throw failureOf(failures, 'schema-invalid', { detail: problem });
    return request.body;
  }

  private async enforce(route: Route<C>, api: ApiRequest<C, unknown>): Promise<void> {
    if (route.policy === 'public' || route.policy === 'any-token') return;
    if (api.may(route.policy, await route.target(api))) return;
    throw failureOf(this.service.dialect.failures, 'forbidden-action', { action: route.policy });
  }

  private requestOf(
    request: FastifyRequest,
    caller: C | undefined,
    body: unknown,
  ): ApiRequest<C, unknown> {
    const url = request.url.slice(this.prefix.length);
    const question = url.indexOf('?');
    const { policy } = this.service;
    return {
      params: Object.fromEntries(Object.entries(request.params ?? {})),
      query: new URLSearchParams(question < 0 ? '' : url.slice(question + 1)),
      headers: request.headers,
      body,
      caller,
      baseUrl: `${request.protocol}://${hostOf(request)}${this.prefix}`,
      url,
      requestId: request.id,
      remoteAddress: request.ip,
      may: (rule: string, target: PolicyTarget = {}) =>
        caller !== undefined && policy.allows(rule, caller.credentials, target),
    };
  }

  private head(reply: FastifyReply, request: FastifyRequest): void {
    reply.header('X-Openstack-Request-Id', request.id);
    reply.headers(this.service.headers);
  }

  async fail(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const rendered = renderFailure(this.service.dialect, translated(error, this.service.dialect));
    if (rendered.status >= 500)
      this.parts.log.error(
        { err: error, service: this.service.name, requestId: request.id, url: request.url },
        'request failed',
      );
    this.head(reply, request);
    if (rendered.status === 401)
      reply.header('WWW-Authenticate', `Keystone uri="${request.protocol}://${hostOf(request)}"`);
    if (rendered.status === 503) reply.header('Retry-After', '1');
    await reply.code(rendered.status).type('application/json').send(JSON.stringify(rendered.body));
  }

  private account(
    route: Route<C>,
    request: FastifyRequest,
    status: number,
    seconds: number,
    caller: C | undefined,
  ): void {
    const labels = { service: this.service.name, method: request.method, path: route.path };
    this.parts.durations.observe(labels, seconds);
    this.parts.requests.inc({ ...labels, status: String(status) });
    const record = {
      service: this.service.name,
      requestId: request.id,
      globalRequestId: globalIdOf(request),
      userId: caller?.userId,
      projectId: caller?.projectId,
      action: route.policy,
      method: request.method,
      // Without the query: filters may hold what is nobody's business in a log.
      path: request.url.split('?', 1)[0],
      from: request.ip,
      status,
    };
    // What changes something is the audit trail; reads are for debugging.
    if (route.method === 'GET') this.parts.log.debug(record, 'request');
    else this.parts.log.info(record, 'audit');
  }
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

/** One listening server with its services under their prefixes. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const bounds = { ...apiBounds, ...options.bounds };
  const refusals: { readonly prefix: string; readonly refuse: Refuse }[] = [];
  const http = { maxHeaderSize: bounds.headerBytesMax, connectionsCheckingInterval: 2_000 };
  const app: FastifyInstance = fastify({
    bodyLimit: bounds.bodyBytesMax,
    requestTimeout: bounds.requestTimeoutMs,
    forceCloseConnections: 'idle',
    // Ids are short, but a long one is an id that is not there, not a URL that is too long.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: bounds.headerBytesMax },
    genReqId: () => `req-${randomUuid(options.random)}`,
    http,
    ...(options.tls === undefined ? {} : { serverFactory: tlsFactory(options.tls, http, bounds) }),
    frameworkErrors: (error, request, reply) => {
      const [nearest] = refusals
        .filter(({ prefix }) => request.url.startsWith(prefix))
        .sort((a, b) => b.prefix.length - a.prefix.length);
      void nearest?.refuse(error, request, reply);
    },
  });
  const parts: ApiServerParts = {
    clock: options.clock,
    random: options.random,
    log: options.log,
    gate: new Gate({
      name: 'api',
      inFlightMax: bounds.inFlightMax,
      waitingMax: bounds.waitingMax,
    }),
    ...metersOf(options.metrics),
  };
  for (const [prefix, service] of Object.entries(options.services))
    refusals.push({ prefix, refuse: service.mount(app, prefix, parts) });
  acceptEmptyJson(app);
  // A body is read before its request can wait at the gate, so connections are what bounds memory.
  app.server.maxConnections = bounds.connectionsMax;
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    throw listenFailure(error, { host: options.host, port: options.port });
  }
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  const scheme = options.tls === undefined ? 'http' : 'https';
  return { url: `${scheme}://${host}:${port}`, port, close: () => app.close() };
}

/** Clients of OpenStack name a media type on requests without a body, too; upstream reads that as no body. */
function acceptEmptyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, body, done) => {
      if (body === '') done(null, undefined);
      else void parse(request, body, done);
    },
  );
}

function tlsFactory(
  tls: { readonly key: string; readonly cert: string },
  http: { readonly maxHeaderSize: number; readonly connectionsCheckingInterval: number },
  bounds: ApiBounds,
): FastifyServerFactory {
  return (handler) => {
    const timeouts = { requestTimeout: bounds.requestTimeoutMs };
    return createTlsServer({ ...http, ...timeouts, ...tls, minVersion: 'TLSv1.2' }, handler);
  };
}

function metersOf(metrics: Metrics): { durations: Histogram; requests: Counter } {
  const labelNames = ['service', 'method', 'path'];
  return {
    durations: new Histogram({
      name: 'pileus_api_request_seconds',
      help: 'Duration of requests to the cloud APIs.',
      labelNames,
      buckets: durationBuckets,
      registers: [metrics],
    }),
    requests: new Counter({
      name: 'pileus_api_requests_total',
      help: 'Requests to the cloud APIs by outcome.',
      labelNames: [...labelNames, 'status'],
      registers: [metrics],
    }),
  };
}
