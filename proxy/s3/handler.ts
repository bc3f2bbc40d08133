/**
 * The S3 dialect: a request in, an answer out, never an exception.
 *
 * 1. Read the head as it was sent; find bucket and key in the path or the host name.
 * 2. Find out who signed it.
 * 3. Find the operation in the route table and run it.
 * 4. Whatever was thrown on the way becomes an error document.
 */
import { Counter } from '#common';
import type { Exchange, Handler } from '../exchange.ts';
import { addressOf, parseBaseDomains, type S3Address } from './address.ts';
import type { S3Options, S3Reply, S3Request, S3Services } from './context.ts';
import { findRoute } from './find-route.ts';
import { parseQuery } from './query.ts';
import { errorDocument, renderedError } from './render-error.ts';
import { type RequestHead, readHead } from './request-head.ts';
import type { Level } from './routes.ts';
import { S3Failure } from './s3-failure.ts';
import { type AuthenticateOptions, authenticate } from './sigv4/authenticate.ts';
import { SigningKeys } from './sigv4/signing-key.ts';

export function createS3Handler(options: S3Options): Handler {
  const { authenticator, clock, settings, objects } = options;
  const baseDomains = parseBaseDomains(settings.baseDomains);
  const proving: AuthenticateOptions = {
    authenticator,
    clock,
    keys: new SigningKeys(settings.signingKeysMax),
    clockSkewMaxS: settings.clockSkewMaxS,
    region: settings.region,
    baseDomains,
  };
  const services: S3Services = { objects, settings };
  const count = countOperations(options);
  return async (exchange) => {
    const { requestId, hostId } = identify(options);
    const progress: Progress = { operation: 'unknown' };
    let reply: S3Reply;
    try {
      reply = await serve(exchange, { baseDomains, proving, services, progress });
    } catch (error) {
      exchange.failure = error;
      reply = refuse(error, exchange, { requestId, hostId });
    }
    count(progress.operation, reply.status);
    const headers = { ...reply.headers, 'x-amz-request-id': requestId, 'x-amz-id-2': hostId };
    return { ...reply, headers };
  };
}

interface Progress {
  operation: string;
}

interface Serving {
  readonly baseDomains: readonly string[];
  readonly proving: AuthenticateOptions;
  readonly services: S3Services;
  readonly progress: Progress;
}

async function serve(exchange: Exchange, serving: Serving): Promise<S3Reply> {
  const { method, url, prefix = '', rawHeaders } = exchange;
  // Signatures cover the path as it was sent; what it addresses comes behind the prefix.
  const sent = readHead(method, `${prefix}${url}`, rawHeaders);
  const inside = prefix === '' ? sent : readHead(method, url, rawHeaders);
  const address = addressOf(inside, serving.baseDomains);
  const query = parseQuery(sent.query);
  const { caller, payload, head } = await authenticate(sent, query, serving.proving);
  if (caller !== undefined) exchange.account = caller.account;
  const operation = operationOf(head, address, query);
  serving.progress.operation = operation.name;
  const request: S3Request = { head, query, ...address, caller, payload, wire: exchange.body };
  return operation.run(request, serving.services);
}

function operationOf(head: RequestHead, address: S3Address, query: ReadonlyMap<string, string>) {
  const route = findRoute(head, levelOf(address), query);
  if (route === undefined)
    throw new S3Failure('MethodNotAllowed', {
      details: { Method: head.method, ResourceType: levelOf(address).toUpperCase() },
    });
  if (route.run === undefined)
    throw new S3Failure('NotImplemented', { details: { Operation: route.operation } });
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

function identify({ random }: S3Options): Identification {
  const bytes = random.bytes(32);
  return {
    requestId: bytes.toString('hex', 0, 8).toUpperCase(),
    hostId: bytes.toString('base64', 8),
  };
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
