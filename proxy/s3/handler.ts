/**
 * The S3 dialect: a request in, an answer out, never an exception.
 *
 * 1. Read the head as it was sent; find bucket and key in the path or the host name.
 * 2. Find out who signed it.
 * 3. Find the operation in the route table and run it.
 * 4. Whatever was thrown on the way becomes an error document.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Clock, Counter } from '#common';
import type { Owner } from '../authenticator.ts';
import type { Exchange, Handler } from '../exchange.ts';
import type { AccessLog } from './access-log.ts';
import {
  addressOf,
  checkedKey,
  parseBaseDomains,
  type S3Address,
  virtualBucket,
} from './address.ts';
import type { RequestTrace, S3Options, S3Reply, S3Request, S3Services } from './context.ts';
import { asksAcross, crossOrigin, preflight } from './cross-origin.ts';
import { findRoute, methodsOf, unknownSubject } from './find-route.ts';
import { isQueryRequest, refuseQuery } from './iam/query-api.ts';
import { isMethodRefusal, methodNotAllowed, refuseMisplaced } from './misplaced.ts';
import { silentNotifier } from './notify/notifier.ts';
import { decodePercent, parseQuery } from './query.ts';
import { Quotas } from './quota.ts';
import { errorDocument, renderedError } from './render-error.ts';
import { type RequestHead, readHead } from './request-head.ts';
import type { Level } from './routes.ts';
import { S3Failure } from './s3-failure.ts';
import { serveWebsite } from './serve-website.ts';
import { type AuthenticateOptions, authenticate } from './sigv4/authenticate.ts';
import { SigningKeys } from './sigv4/signing-key.ts';

export function createS3Handler(options: S3Options): Handler {
  const { authenticator, clock, settings, objects, random } = options;
  const baseDomains = parseBaseDomains(settings.baseDomains);
  const proving: AuthenticateOptions = {
    authenticator,
    clock,
    keys: new SigningKeys(settings.signingKeysMax),
    clockSkewMaxS: settings.clockSkewMaxS,
    region: settings.region,
    baseDomains,
    ...(options.accounts === undefined ? {} : { accounts: options.accounts }),
  };
  const services: S3Services = {
    objects,
    settings,
    random,
    proving,
    notifier: options.notifier ?? silentNotifier,
    quotas: new Quotas(objects),
    accounts: options.accounts,
    findOwner: ownerFinder(authenticator),
  };
  const count = countOperations(options);
  const websites = parseBaseDomains(settings.websiteDomains);
  // Says which process answered, so it is the same for all that it answers.
  const hostId = random.bytes(24).toString('base64');
  return async (exchange) => {
    const requestId = random.bytes(8).toString('hex').toUpperCase();
    const nowMs = clock.nowUs() / 1000;
    const progress: Progress = { trace: { operation: 'unknown' } };
    let reply: S3Reply;
    try {
      reply = await serve(exchange, {
        ...{ baseDomains, websites, proving, services, progress, requestId, nowMs },
      });
    } catch (error) {
      exchange.failure = error;
      reply =
        isQueryRequest(exchange) && !isMethodRefusal(error)
          ? refuseQuery(error, requestId)
          : refuse(error, exchange, { requestId, hostId });
    }
    count(progress.trace.operation, reply.status);
    if (options.accessLog !== undefined)
      note(options.accessLog, exchange, { progress, reply, clock });
    const ids = { 'x-amz-request-id': requestId, 'x-amz-id-2': hostId };
    const cors = asksAcross(exchange)
      ? await crossOrigin(exchange, progress.bucket, services)
      : undefined;
    const headers = { ...reply.headers, ...cors, ...ids };
    const { status, body } = reply;
    return body === undefined ? { status, headers } : { status, headers, body };
  };
}

const ownersMax = 10_000;
const ownerLifeMs = 10_000;

/** Remembered for a moment, since every listing names owners. Without somebody who knows, every id is taken for a project. */
function ownerFinder(authenticator: S3Options['authenticator']): S3Services['findOwner'] {
  const known = new LRUCache<string, Owner>({ max: ownersMax, ttl: ownerLifeMs });
  return async (query) => {
    if (authenticator.findOwner === undefined)
      return 'id' in query ? { id: query.id, displayName: '' } : undefined;
    const before = 'id' in query ? known.get(query.id) : undefined;
    if (before !== undefined) return before;
    const owner = await authenticator.findOwner(query);
    if (owner !== undefined) known.set(owner.id, owner);
    return owner;
  };
}

interface Noted {
  readonly progress: Progress;
  readonly reply: S3Reply;
  readonly clock: Clock;
}

function note(log: AccessLog, exchange: Exchange, { progress, reply, clock }: Noted): void {
  const { request, trace } = progress;
  if (request === undefined || trace.container === undefined) return;
  const length = reply.headers['content-length'];
  log.add({
    request,
    container: trace.container,
    operation: trace.operation,
    status: reply.status,
    errorCode: exchange.failure === undefined ? undefined : renderedError(exchange.failure).code,
    bytesSent: length === undefined ? undefined : Number(length),
    tookMs: clock.monotonicMs() - exchange.startedMs,
  });
}

interface Progress {
  readonly trace: RequestTrace;
  /** Once it is known who asks. */
  request?: S3Request;
  /** As addressed; for what is added to every answer about it. */
  bucket?: string;
}

interface Serving {
  readonly baseDomains: readonly string[];
  /** Where buckets are web sites. */
  readonly websites: readonly string[];
  readonly proving: AuthenticateOptions;
  readonly services: S3Services;
  readonly progress: Progress;
  readonly requestId: string;
  readonly nowMs: number;
}

async function serve(exchange: Exchange, serving: Serving): Promise<S3Reply> {
  const { method, url, prefix = '', rawHeaders } = exchange;
  // Signatures cover the path as it was sent; what it addresses comes behind the prefix.
  const sent = readHead(method, `${prefix}${url}`, rawHeaders);
  const inside = prefix === '' ? sent : readHead(method, url, rawHeaders);
  const address = addressOf(inside, serving.baseDomains);
  const site = virtualBucket(inside.headers.get('host') ?? '', serving.websites);
  if (site !== undefined) return await visitSite(exchange, inside, { serving, site });
  if (address.bucket !== '') serving.progress.bucket = address.bucket;
  const query = parseQuery(sent.query);
  if (sent.method === 'OPTIONS') {
    serving.progress.trace.operation = 'CorsPreflight';
    return await preflight(sent, address.bucket, serving.services);
  }
  const form = hidesBodyHash(sent, address) ? await readForm(sent, exchange) : undefined;
  const signed = form?.head ?? sent;
  const { caller, payload, head, signature } = await authenticate(signed, query, serving.proving);
  if (caller !== undefined) exchange.account = caller.account;
  const operation = operationOf(head, address, query);
  serving.progress.trace.operation = operation.name;
  const { bucket, key } = address;
  const claims = { head, query, bucket, key, caller, payload, signature };
  const request = requestOf(exchange, serving, claims, form?.wire);
  serving.progress.request = request;
  return await operation.run(request, serving.services);
}

const formBytesMax = 131_072;

/**
 * Requests to the service's root that bring a form do not say its hash, though it is part of what they sign: so the form, which is small, is
 * read first.
 */
function hidesBodyHash({ method, headers }: RequestHead, { bucket }: S3Address): boolean {
  return bucket === '' && method === 'POST' && !headers.has('x-amz-content-sha256');
}

async function readForm(head: RequestHead, exchange: Exchange) {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of exchange.body) {
    size += piece.length;
    if (size > formBytesMax) throw new S3Failure('MaxMessageLengthExceeded');
    pieces.push(piece);
  }
  const body = Buffer.concat(pieces);
  const headers = new Map(head.headers).set('x-amz-content-sha256', hash('sha256', body));
  return { head: { ...head, headers }, wire: once(body) };
}

async function* once(body: Buffer): AsyncGenerator<Buffer, void, undefined> {
  if (body.length > 0) yield body;
}

type Claims = Pick<
  S3Request,
  'head' | 'query' | 'bucket' | 'key' | 'caller' | 'payload' | 'signature'
>;

function requestOf(
  exchange: Exchange,
  serving: Serving,
  claims: Claims,
  wire: AsyncIterable<Buffer> = exchange.body,
): S3Request {
  const { requestId, nowMs, services, progress } = serving;
  return {
    ...claims,
    nowMs,
    requestId,
    trace: progress.trace,
    dayMs: services.settings.lifecycleDayS * 1000,
    clientIp: exchange.peer?.remoteAddress ?? '',
    secure: exchange.secure,
    prefix: exchange.prefix ?? '',
    wire,
    ...(wire === exchange.body ? { whole: (max: number) => exchange.body.whole(max) } : {}),
  };
}

async function visitSite(
  exchange: Exchange,
  head: RequestHead,
  { serving, site }: { readonly serving: Serving; readonly site: string },
): Promise<S3Reply> {
  serving.progress.trace.operation = 'Website';
  const key = checkedKey(decodePercent(head.path.slice(1)));
  const nobody = {
    caller: undefined,
    payload: { kind: 'unsigned' },
    signature: undefined,
  } as const;
  const claims = { head, query: new Map<string, string>(), bucket: site, key, ...nobody };
  return await serveWebsite(requestOf(exchange, serving, claims), serving.services);
}

function operationOf(head: RequestHead, address: S3Address, query: ReadonlyMap<string, string>) {
  const level = levelOf(address);
  refuseMisplaced(head, level, query);
  const route = findRoute(head, level, query);
  if (route === undefined) throw methodNotAllowed(head.method, level, methodsOf(level));
  if (route.run === undefined)
    throw new S3Failure('NotImplemented', { details: { Operation: route.operation } });
  const isRead = head.method === 'GET' || head.method === 'HEAD';
  const unknown = isRead || route.query !== undefined ? undefined : unknownSubject(query);
  if (unknown !== undefined)
    throw new S3Failure('NotImplemented', { details: { Parameter: unknown } });
  return { name: route.operation, run: route.run };
}

function levelOf({ bucket, key }: S3Address): Level {
  if (bucket === '') return 'service';
  return key === '' ? 'bucket' : 'object';
}

interface Identification {
  readonly requestId: string;
  readonly hostId: string;
}

function refuse(error: unknown, exchange: Exchange, ids: Identification): S3Reply {
  const rendered = renderedError(error);
  const headers = { 'content-type': 'application/xml', ...rendered.headers };
  // Neither has a body; their status says it all.
  if (exchange.method === 'HEAD' || rendered.status === 304)
    return { status: rendered.status, headers };
  const question = exchange.url.indexOf('?');
  const resource = question < 0 ? exchange.url : exchange.url.slice(0, question);
  const body = errorDocument(rendered, { resource, ...ids });
  return { status: rendered.status, headers, body };
}

function countOperations({ metrics }: S3Options): (operation: string, status: number) => void {
  const counter = new Counter({
    name: 'pileus_s3_requests_total',
    help: 'S3 requests by operation and status.',
    labelNames: ['operation', 'status'],
    registers: [metrics],
  });
  // At most one for each operation and status: looking a label set up each time costs more than counting.
  const counted = new Map<string, { inc(): void }>();
  return (operation, status) => {
    const key = `${operation} ${status}`;
    let labelled = counted.get(key);
    if (labelled === undefined) {
      labelled = counter.labels({ operation, status });
      counted.set(key, labelled);
    }
    labelled.inc();
  };
}
