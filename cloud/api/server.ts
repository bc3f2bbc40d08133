/** One listening server with the services that are mounted on it. */
import {
  createServer,
  type IncomingMessage,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
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
  defaultsOf,
  durationBuckets,
  Failure,
  Gate,
  Histogram,
  type Logger,
  listenFailure,
  type Metrics,
  type Random,
  randomUuid,
  type Timer,
} from '#common';
import { allowOrigins } from './cors.ts';
import {
  type ApiServerParts,
  type ApiService,
  type AuditRecord,
  Edge,
  type EdgeBounds,
} from './edge.ts';
import type { PolicyRules } from './policy.ts';
import { RateLimiter } from './rate-limit.ts';
import type { Caller, Method, Route } from './routes.ts';
import { type BodyCheck, compileSchema } from './schema.ts';
import { type ApiSettings, apiSettings } from './settings.ts';

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

export type Door = (request: IncomingMessage, response: ServerResponse, prefix: string) => void;

/** Takes over a connection whose client asks for another protocol, such as a websocket. */
export type UpgradeDoor = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface ApiServerOptions {
  /** Prefix (`` or `/identity`) → service. */
  readonly services: Readonly<Record<string, MountableService>>;
  /** Prefix → what answers requests below it by itself, such as the doors of the object store. */
  readonly doors?: Readonly<Record<string, Door>>;
  /** Prefix → what speaks other protocols below it; elsewhere such wishes are ignored, as HTTP allows. */
  readonly upgrades?: Readonly<Record<string, UpgradeDoor>>;
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly bounds?: Partial<ApiBounds>;
  readonly settings?: ApiSettings;
  /** Where the audit trail goes; the log unless said. */
  readonly audit?: (record: AuditRecord) => void;
  /** Service → policy rules that replace its own. */
  readonly policies?: Readonly<Record<string, PolicyRules>>;
}

export interface ApiBounds extends EdgeBounds {
  readonly bodyBytesMax: number;
  readonly inFlightMax: number;
  readonly waitingMax: number;
  readonly streamsMax: number;
  readonly connectionsMax: number;
  readonly headerBytesMax: number;
  readonly requestTimeoutMs: number;
}

export const apiBounds: ApiBounds = {
  // Keystone's limit (oslo.middleware's max_request_body_size).
  bodyBytesMax: 114_688,
  inFlightMax: 256,
  waitingMax: 2_048,
  streamsMax: 128,
  streamIdleMs: 60_000,
  drainMs: 10_000,
  connectionsMax: 2_304,
  headerBytesMax: 32_768,
  requestTimeoutMs: 30_000,
};

export interface ApiServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

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

/** One listening server with its services under their prefixes. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const bounds = { ...apiBounds, ...options.bounds };
  const settings = options.settings ?? defaultsOf(apiSettings);
  const refusals: { readonly prefix: string; readonly refuse: Refuse }[] = [];
  const http = {
    maxHeaderSize: bounds.headerBytesMax,
    connectionsCheckingInterval: 2_000,
    // Longer than any client keeps a connection that it means to use again.
    keepAliveTimeout: 72_000,
    headersTimeout: bounds.requestTimeoutMs,
  };
  // Connections that speak another protocol now, which no request holds any more.
  const taken = new Set<Duplex>();
  const app: FastifyInstance = fastify({
    bodyLimit: bounds.bodyBytesMax,
    // Headers have a deadline; a body's is its own (`limitBodyTime`), since those that stream have none.
    requestTimeout: 0,
    // Fastify's own HEAD routes would send a download's length as 0.
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    // Ids are short, but a long one is an id that is not there, not a URL that is too long.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: bounds.headerBytesMax },
    genReqId: () => `req-${randomUuid(options.random)}`,
    serverFactory: factoryOf(http, options, taken),
    frameworkErrors: (error, request, reply) => {
      const [nearest] = refusals
        .filter(({ prefix }) => request.url.startsWith(prefix))
        .sort((a, b) => b.prefix.length - a.prefix.length);
      void nearest?.refuse(error, request, reply);
    },
  });
  const parts: ApiServerParts = {
    clock: options.clock,
    log: options.log,
    gate: new Gate({
      name: 'api',
      inFlightMax: bounds.inFlightMax,
      waitingMax: bounds.waitingMax,
    }),
    streamGate: new Gate({ name: 'api-streams', inFlightMax: bounds.streamsMax, waitingMax: 0 }),
    rates: new RateLimiter(
      { perSecond: settings.requestsPerSecondMax, burst: settings.requestsBurstMax },
      options.clock,
    ),
    audit: options.audit ?? ((record) => options.log.info(record, 'audit')),
    policies: options.policies ?? {},
    bounds,
    ...metersOf(options.metrics),
  };
  app.addHook('preClose', async () => {
    for (const socket of taken) socket.destroy();
  });
  allowOrigins(app, settings.corsOrigins === '' ? [] : settings.corsOrigins.split(','));
  limitBodyTime(app, options.clock, bounds.requestTimeoutMs);
  for (const name of Object.keys(parts.policies)) {
    if (!Object.values(options.services).some((service) => service.name === name))
      throw new Failure('invalid', 'bad-policy', `There is no service ${name} with policy rules`);
  }
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
  return { url: `${scheme}://${host}:${port}`, port, close: () => closeServer(app, options.clock) };
}

/** Node closes the connections that are idle at the moment; those that become so while others finish need asking again. */
async function closeServer(app: FastifyInstance, clock: Clock): Promise<void> {
  let closed = false;
  const closing = app.close().finally(() => {
    closed = true;
  });
  while (!closed) {
    await Promise.race([closing, clock.sleep(20)]);
    app.server.closeIdleConnections();
  }
  await closing;
}

/** A body that is gathered before its handler runs must be whole in time; one that trickles ends its connection. */
function limitBodyTime(app: FastifyInstance, clock: Clock, timeoutMs: number): void {
  const deadlines = new WeakMap<FastifyRequest, Timer>();
  app.addHook('onRequest', (request, _reply, done) => {
    deadlines.set(
      request,
      clock.after(timeoutMs, () => request.raw.socket.destroy()),
    );
    done();
  });
  const arrived = (request: FastifyRequest) => deadlines.get(request)?.cancel();
  app.addHook('preValidation', (request, _reply, done) => {
    arrived(request);
    done();
  });
  app.addHook('onResponse', (request, _reply, done) => {
    arrived(request);
    done();
  });
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

function factoryOf(
  http: ServerOptions,
  options: ApiServerOptions,
  taken: Set<Duplex>,
): FastifyServerFactory {
  const doors = Object.entries(options.doors ?? {});
  const { tls } = options;
  return (handler) => {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      const url = request.url ?? '';
      const door = doors.find(([prefix]) => isBelow(url, prefix));
      if (door === undefined) handler(request, response);
      else door[1](request, response, door[0]);
    };
    // Bodies have deadlines of their own.
    const parameters = {
      ...http,
      requestTimeout: 0,
      shouldUpgradeCallback: ({ url }: IncomingMessage) => upgradeOf(options, url) !== undefined,
    };
    const server =
      tls === undefined
        ? createServer(parameters, listener)
        : createTlsServer({ ...parameters, ...tls, minVersion: 'TLSv1.2' }, listener);
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      taken.add(socket);
      socket.once('close', () => taken.delete(socket));
      // What becomes of it is told by `close`.
      socket.on('error', () => socket.destroy());
      upgradeOf(options, request.url)?.(request, socket, head);
    });
    return server;
  };
}

const upgradeOf = ({ upgrades = {} }: ApiServerOptions, url = ''): UpgradeDoor | undefined =>
  Object.entries(upgrades).find(([prefix]) => isBelow(url, prefix))?.[1];

function isBelow(url: string, prefix: string): boolean {
  if (!url.startsWith(prefix)) return false;
  const next = url.charAt(prefix.length);
  return next === '' || next === '/' || next === '?';
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
