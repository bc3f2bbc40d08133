/**
 * COPY, and PUT with X-Copy-From: what a GET of the source answers is put under the other name, as a request of its own that goes
 * through everything a PUT goes through; so quotas, versions and manifests hold for copies as well.
 */
import { Buffer } from 'node:buffer';
import type { Reply } from '../../exchange.ts';
import { learnRight } from '../account-acl.ts';
import { parseObjectPath } from '../object-path.ts';
import { checkAccount } from '../put-symlink.ts';
import { htmlType, isSuccess, page, refusal, settled } from '../refusal.ts';
import { headersOf, subRequest } from '../sub-request.ts';
import {
  headerOf,
  isObjectRequest,
  type ObjectRequest,
  type SwiftHandler,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { decodePercent, encodePercent, isTrue, titleCase } from '../text.ts';

interface Place {
  readonly account: string;
  readonly container: string;
  readonly object: string;
}

export function createCopy(services: SwiftServices): SwiftStage {
  return (request, next) => {
    if (!isObjectRequest(request)) return next(request);
    const { exchange } = request;
    if (exchange.method === 'COPY') return copyTo(request, next, services);
    if (exchange.method === 'PUT' && headerOf(exchange, 'x-copy-from'))
      return copyFrom(request, next, services);
    return next(request);
  };
}

async function copyTo(
  request: ObjectRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  const { exchange, path } = request;
  const destination = headerOf(exchange, 'destination');
  if (!destination)
    throw refusal('precondition-failed', 'Destination header required', {
      'Content-Type': htmlType,
    });
  const given = headerOf(exchange, 'destination-account');
  const account = given === undefined ? path.account : checkAccount(decodePercent(given));
  const target = { account, ...parseObjectPath('Destination', destination) };
  return await copy({ request, next, services }, path, target);
}

async function copyFrom(
  request: ObjectRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  const { exchange, path } = request;
  if (exchange.body.length !== 0)
    throw refusal('bad-request', 'Copy requests require a zero byte body');
  const given = headerOf(exchange, 'x-copy-from-account');
  const account = given ? checkAccount(decodePercent(given)) : path.account;
  const source = parseObjectPath('X-Copy-From', headerOf(exchange, 'x-copy-from') ?? '');
  return await copy({ request, next, services }, { account, ...source }, path);
}

interface CopyContext {
  readonly request: ObjectRequest;
  readonly next: SwiftHandler;
  readonly services: SwiftServices;
}

async function copy(context: CopyContext, source: Place, target: Place): Promise<Reply> {
  const { request, next, services } = context;
  for (const { account } of [source, target]) await learnRight(request.caller, account, services);
  const read = await readSource(context, source);
  const { reply: found } = read;
  if (found.status >= 300) return found;
  const length = Number(found.headers['Content-Length'] ?? found.headers['content-length']);
  if (!(length <= services.settings.objectBytesMax)) return page(413);
  const headers = sinkHeaders(request, read);
  const body = found.body ?? Buffer.alloc(0);
  const sink = subRequest(request, {
    method: 'PUT',
    path: target,
    query: sinkQuery(request, read),
    headers,
    body: typeof body === 'string' ? Buffer.from(body) : body,
    length,
  });
  const stored = await next(sink);
  if (!isSuccess(stored)) return stored;
  return { ...stored, headers: { ...stored.headers, ...told(source, found, headers) } };
}

/** What a GET of the source answers, and whether it is a manifest. */
interface Source {
  readonly reply: Reply;
  readonly isManifest: boolean;
}

async function readSource({ request, next }: CopyContext, source: Place): Promise<Source> {
  const headers = headersOf(request.exchange);
  for (const name of copyHeaders) delete headers[name];
  const read = (query: SwiftRequest['query']) =>
    settled(() => next(subRequest(request, { method: 'GET', path: source, query, headers })));
  if (request.query.get('multipart-manifest') !== 'get')
    return { reply: await read(request.query), isManifest: false };
  const reply = await read(new Map([...request.query, ['format', 'raw']]));
  const isHollow = Buffer.isBuffer(reply.body) && reply.body.equals(Buffer.from('[]'));
  if (!isHollow) return { reply, isManifest: true };
  // Parts that S3 put together have no manifest to copy: its bytes are copied instead.
  const whole = await read(without(request.query, 'multipart-manifest'));
  return { reply: whole, isManifest: false };
}

const copyHeaders = ['x-copy-from', 'x-copy-from-account', 'destination', 'destination-account'];

function without(query: SwiftRequest['query'], ...names: readonly string[]): SwiftRequest['query'] {
  return new Map([...query].filter(([name]) => !names.includes(name)));
}

function sinkQuery({ query }: ObjectRequest, { reply, isManifest }: Source): SwiftRequest['query'] {
  const rest = without(query, 'multipart-manifest', 'version-id');
  const isStatic = reply.headers['X-Static-Large-Object'] !== undefined;
  return isManifest && isStatic ? new Map([...rest, ['multipart-manifest', 'put']]) : rest;
}

/** Never from the source: they tell of how it is stored or was sent. */
const sourceOnly = new Set([
  'x-static-large-object',
  'x-object-manifest',
  'etag',
  'content-type',
  'content-length',
  'content-range',
  'x-timestamp',
  'last-modified',
]);

/** Of the request, what was for the reading. */
const readOnly = ['range', 'if-match', 'if-none-match', 'trailer', 'expect'];

/** The source's headers with the request's over them, or (X-Fresh-Metadata) the request's alone. */
function sinkHeaders(
  { exchange }: ObjectRequest,
  { reply: found, isManifest }: Source,
): Record<string, string> {
  const own = headersOf(exchange);
  const kept: Record<string, string> = {};
  const isFresh = isTrue(own['x-fresh-metadata']);
  for (const [name, value] of Object.entries(found.headers)) {
    const lower = name.toLowerCase();
    if (isFresh ? lower.startsWith('x-symlink-target') : !sourceOnly.has(lower))
      kept[lower] = String(value);
  }
  const headers = { ...kept, ...own };
  for (const name of [...copyHeaders, ...readOnly]) delete headers[name];
  const isLarge = found.headers['X-Static-Large-Object'] !== undefined;
  const manifest = found.headers['X-Object-Manifest'];
  if (manifest !== undefined && isManifest) headers['x-object-manifest'] = String(manifest);
  if (found.status === 200 && !isLarge && (manifest === undefined || isManifest))
    headers.etag = String(found.headers.Etag ?? '');
  else delete headers.etag;
  if (!own['content-type']) headers['content-type'] = String(found.headers['Content-Type'] ?? '');
  return headers;
}

/** What the answer tells of the source, and the metadata that the copy has. */
function told(
  source: Place,
  found: Reply,
  sent: Readonly<Record<string, string>>,
): Record<string, string | number> {
  const { 'Last-Modified': modified, 'X-Object-Version-Id': version } = found.headers;
  const headers: Record<string, string | number> = {
    'X-Copied-From': encodePercent(`${source.container}/${source.object}`),
    'X-Copied-From-Account': encodePercent(source.account),
    ...(modified === undefined ? {} : { 'X-Copied-From-Last-Modified': modified }),
    ...(version === undefined ? {} : { 'X-Copied-From-Version-Id': version }),
  };
  for (const [name, value] of Object.entries(sent))
    if (name.startsWith('x-object-meta-') || name === 'x-delete-at')
      headers[titleCase(name)] = value;
  return headers;
}
