/**
 * The HTTP server under a dialect. fastify carries the connection's life; routing, decoding and bodies are the dialect's,
 * because object names may hold what a router would tidy away (`//`, `..`, `%2F`).
 */
import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import fastify, { type FastifyServerFactory } from 'fastify';
import {
  type Address,
  type Clock,
  type Logger,
  listenFailure,
  messageOf,
  type Random,
  randomHex,
} from '#common';
import type { Exchange, Handler, Reply } from './exchange.ts';
import { brokenLine, frontOf, isFronted, type ParserFailure } from './raw-targets.ts';
import { RequestBody } from './request-body.ts';
import { sendReply } from './send-reply.ts';
import type { ProxySettings } from './settings.ts';

export interface HttpServerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly settings: ProxySettings;
  readonly handler: Handler;
  /** PEM; plain HTTP without it. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** How the dialect says no to what is no HTTP; without it, a status and nothing else. */
  readonly refuse?: (status: number, reason: string) => Promise<Reply>;
}

export interface ListeningServer {
  /** The port it listens on (the chosen one, when 0 was asked for); 0 for a unix socket. */
  readonly port: number;
  /** Answers a request that came to another listener, under `prefix` (`/s3`) of its address. */
  serve(request: http.IncomingMessage, response: http.ServerResponse, prefix: string): void;
  /** Stops listening, lets requests in flight finish for a while, then cuts them off. */
  close(): Promise<void>;
}

export async function listenHttp(
  options: HttpServerOptions,
  address: Address,
): Promise<ListeningServer> {
  const { settings } = options;
  const closing = new AbortController();
  const serve = createServe(options, closing.signal);
  let server: http.Server | undefined;
  const serverFactory: FastifyServerFactory = (handler) => {
    const parameters = {
      maxHeaderSize: settings.headerBytesMax,
      headersTimeout: settings.headersTimeoutMs,
      // Bodies may take as long as they keep coming; RequestBody watches that.
      requestTimeout: 0,
      keepAliveTimeout: settings.keepAliveMs,
      connectionsCheckingInterval: Math.min(30_000, settings.headersTimeoutMs),
      noDelay: true,
    };
    const { tls } = options;
    server =
      tls === undefined
        ? http.createServer(parameters, handler)
        : https.createServer({ ...parameters, ...tls, minVersion: 'TLSv1.2' }, handler);
    // Node would silently drop lines past this count; the pipeline refuses them instead.
    server.maxHeadersCount = 0;
    server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
      expecting.add(request);
      handler(request, response);
    });
    return server;
  };
  const app = fastify({
    serverFactory,
    logger: false,
    exposeHeadRoutes: false,
    // Routing sees one path; the request's own stays in `originalUrl`.
    rewriteUrl: () => '/',
    genReqId: () => '',
    forceCloseConnections: false,
    clientErrorHandler: (error, socket) => {
      if (isFronted(socket)) return;
      const line = brokenLine(error);
      if (server === undefined || line === undefined || isAnswering(socket))
        refuseGarbage(error, socket, options);
      else {
        const front = frontOf(socket, line, settings.headerBytesMax);
        server.emit(options.tls === undefined ? 'connection' : 'secureConnection', front);
      }
    },
  });
  app.addHook('onRequest', (request, reply, _done) => {
    // From here on the answer is ours: fastify parses and serialises nothing.
    reply.hijack();
    void serve(request.raw, reply.raw, request.originalUrl);
  });
  app.all('/', () => undefined);
  await app.ready();
  await new Promise<void>((resolve, reject) => {
    server?.once('error', (error) => reject(listenFailure(error, address)));
    server?.listen('path' in address ? { path: address.path } : { ...address }, () => resolve());
  });
  const bound = server?.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    serve: (request, response, prefix) => {
      const rest = (request.url ?? '').slice(prefix.length);
      void serve(request, response, rest.startsWith('/') ? rest : `/${rest}`, prefix);
    },
    close: async () => {
      closing.abort();
      const cut = options.clock.after(settings.closeMs, () => server?.closeAllConnections());
      // fastify closes only what it listened on itself; so the listener goes first, and fastify after it.
      await new Promise<void>((resolve) => {
        server?.close(() => resolve());
        server?.closeIdleConnections();
      });
      cut.cancel();
      await app.close();
    },
  };
}

/** Requests whose sender waits for `100 Continue`. */
const expecting = new WeakSet<http.IncomingMessage>();

function createServe(options: HttpServerOptions, closing: AbortSignal) {
  const { clock, settings, handler, log } = options;
  return async (
    request: http.IncomingMessage,
    response: http.ServerResponse,
    url: string,
    prefix?: string,
  ): Promise<void> => {
    const expectsContinue = expecting.has(request);
    answering.set(request.socket, response);
    const idleMs = settings.bodyIdleMs;
    const body = new RequestBody({ request, response, clock, idleMs, expectsContinue });
    const exchange: Exchange = {
      method: request.method ?? '',
      url,
      ...(prefix === undefined ? {} : { prefix }),
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body,
      transactionId: transactionId(options, request.headers['x-trans-id-extra']),
      startedMs: clock.monotonicMs(),
      peer: request.socket,
      secure: 'encrypted' in request.socket,
    };
    try {
      const reply = await handler(exchange);
      if (closing.aborted) response.shouldKeepAlive = false;
      const send = { request, response, body, clock, idleMs: settings.sendIdleMs };
      await sendReply(send, reply);
    } catch (error) {
      const facts = { transaction: exchange.transactionId, reason: messageOf(error) };
      log.info(facts, 'answer cut short');
      response.destroy();
    } finally {
      body.close();
    }
  };
}

/** The form of Swift's: `tx`, 21 random hex digits, `-`, 10 of the time. */
function transactionId(
  { random, clock }: HttpServerOptions,
  extra: string | string[] | undefined,
): string {
  const seconds = Math.floor(clock.nowUs() / 1_000_000);
  const id = `tx${randomHex(random, 11).slice(1)}-${seconds.toString(16).padStart(10, '0')}`;
  // What a client adds, so that it finds its own again: bounded, and in characters that headers and logs take.
  return typeof extra === 'string' && extra !== ''
    ? `${id}-${encodeURIComponent(extra.slice(0, 32))}`
    : id;
}

/** The request being answered on each connection. */
const answering = new WeakMap<Socket, http.ServerResponse>();

function isAnswering(socket: Socket): boolean {
  const current = answering.get(socket);
  return current !== undefined && !current.writableFinished;
}

const refused = new WeakSet<Socket>();

function refuseGarbage(
  error: NodeJS.ErrnoException,
  socket: Socket,
  { refuse, log }: HttpServerOptions,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  // Node says it of every packet behind the first that was refused.
  if (refused.has(socket)) return;
  refused.add(socket);
  const current = answering.get(socket);
  if (current?.req.complete === true && isAnswering(socket)) {
    // The request before the garbage was whole: it gets its answer, and then this connection is over.
    current.once('close', () => socket.destroySoon());
    return;
  }
  const status = statusOf(error);
  const end = (reply: Reply) => socket.end(plainAnswer(status, reply));
  if (refuse === undefined) end({ status, headers: {} });
  else
    refuse(status, http.STATUS_CODES[status] ?? '').then(end, (cause: unknown) => {
      log.info({ reason: messageOf(cause) }, 'answer to garbage failed');
      socket.destroy();
    });
}

/** An answer without a request, as bytes: the connection ends with it. */
function plainAnswer(status: number, { headers, body }: Reply): string {
  const content = typeof body === 'string' ? body : '';
  const lines = Object.entries({
    ...headers,
    connection: 'close',
    'content-length': Buffer.byteLength(content),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\n${lines.join('')}\r\n${content}`;
}

// The name of a method, and what looks like its target.
const methodLine = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40} \//;

function statusOf({ code, rawPacket }: NodeJS.ErrnoException & ParserFailure): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408;
  if (code !== 'HPE_INVALID_METHOD' || !Buffer.isBuffer(rawPacket)) return 400;
  return methodLine.test(rawPacket.toString('latin1', 0, 48)) ? 405 : 400;
}
