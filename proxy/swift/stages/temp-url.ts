/**
 * Temporary URLs: a signature in the query, made with a key of the account or the container, gives one method on one object (or
 * all under a prefix) until a time. Nothing else of the query counts then, and of the headers only what cannot reach further.
 */
import { createHmac } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import type { Reply, ReplyHeaders } from '../../exchange.ts';
import type { Grant } from '../access.ts';
import { headerFilter } from '../header-filter.ts';
import { htmlType, isSuccess, page, refusal, settled, textReply } from '../refusal.ts';
import { isSignature, readSignature, type Signature } from '../signatures.ts';
import { signingKeys } from '../signing-keys.ts';
import { granted, headersOf, subRequest } from '../sub-request.ts';
import {
  headerOf,
  isObjectRequest,
  type ObjectRequest,
  type SwiftHandler,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { encodePercent } from '../text.ts';

/** They would let the bearer reach objects that the signature does not name. */
const disallowed = ['x-object-manifest', 'x-symlink-target', 'x-copy-from'];

interface Signed {
  readonly signature: Signature;
  readonly expiresS: number;
  readonly prefix: string | undefined;
  readonly ipRange: string | undefined;
}

export function createTempUrl(services: SwiftServices): SwiftStage {
  const { swift } = services;
  const methods = new Set(swift.tempUrlMethods.split(/\s+/));
  const digests = new Set(swift.digests.split(/\s+/));
  const dropIncoming = headerFilter(swift.tempUrlIncomingRemove, swift.tempUrlIncomingAllow);
  const dropOutgoing = headerFilter(swift.tempUrlOutgoingRemove, swift.tempUrlOutgoingAllow);

  const serve = async (request: SwiftRequest, next: SwiftHandler): Promise<Reply> => {
    const { exchange } = request;
    const signed = readSigned(request, services.clock.nowUs());
    if (signed === undefined || !digests.has(signed.signature.digest)) return invalid(request);
    if (!methods.has(exchange.method) || !isObjectRequest(request)) return invalid(request);
    if (!isFrom(exchange.peer?.remoteAddress, signed.ipRange)) return invalid(request);
    const grant = await findGrant(request, signed, services);
    if (grant === undefined) return invalid(request);
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') refuseDisallowed(request);
    const reply = await settled(() => next(narrowed(request, grant, dropIncoming)));
    return dressed(request, signed, clean(reply, dropOutgoing));
  };
  return (request, next) => {
    const { query, exchange } = request;
    if (query.size === 0 || exchange.method === 'OPTIONS') return next(request);
    if (!query.has('temp_url_sig') && !query.has('temp_url_expires')) return next(request);
    return serve(request, next);
  };
}

function invalid({ exchange }: SwiftRequest): Reply {
  const headers = { 'WWW-Authenticate': 'Swift realm="unknown"' };
  if (exchange.method === 'HEAD') return { ...page(401, headers), body: '' };
  return textReply(401, '401 Unauthorized: Temp URL invalid\n', headers);
}

function readSigned({ query }: SwiftRequest, nowUs: number): Signed | undefined {
  const signature = readSignature(query.get('temp_url_sig') ?? '');
  const expiresS = readExpiry(query.get('temp_url_expires') ?? '');
  if (signature === undefined || expiresS === undefined || expiresS * 1_000_000 < nowUs)
    return undefined;
  return {
    signature,
    expiresS,
    prefix: query.get('temp_url_prefix'),
    ipRange: query.get('temp_url_ip_range') || undefined,
  };
}

/** Seconds since 1970, also as `2026-11-27T22:00:00Z`. */
function readExpiry(text: string): number | undefined {
  if (/^\s*[-+]?\d{1,15}\s*$/.test(text)) return Number(text);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** Whether the client's address lies in the range that the URL is for. */
function isFrom(address: string | undefined, range: string | undefined): boolean {
  if (range === undefined) return true;
  const [network = '', bits] = range.split('/');
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  const most = family === 'ipv6' ? 128 : 32;
  const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (address === undefined || isIP(network) === 0 || length < 0 || length > most) return false;
  const client = address.startsWith('::ffff:') ? address.slice(7) : address;
  // A BlockList takes IPv4 for a part of ::/96, which a range of IPv6 does not mean.
  if (isIP(client) !== isIP(network)) return false;
  const list = new BlockList();
  list.addSubnet(network, length, family);
  return list.check(client, family);
}

/** What the signature gives; undefined when none of the keys made it. */
async function findGrant(
  { path, exchange }: ObjectRequest,
  signed: Signed,
  services: SwiftServices,
): Promise<Grant | undefined> {
  const { prefix } = signed;
  if (prefix !== undefined && !path.object.startsWith(prefix)) return undefined;
  const base = `/v1/${path.account}/${path.container}/`;
  const below = (front: string) =>
    prefix === undefined ? `${front}${base}${path.object}` : `prefix:${front}${base}${prefix}`;
  // Behind a common address the client may sign the path that it sees, or Swift's own.
  const targets = ['', exchange.prefix ?? ''].map(below);
  // Who may get, put or post an object may also ask for its state.
  const methods = exchange.method === 'HEAD' ? ['HEAD', 'GET', 'POST', 'PUT'] : [exchange.method];
  const keys = await signingKeys(services, path.account, path.container);
  for (const { key, grant } of keys)
    for (const method of methods)
      for (const target of targets)
        if (isSignature(signed.signature, sign(signed, method, target, key))) return grant;
  return undefined;
}

function sign(
  { signature, expiresS, ipRange }: Signed,
  method: string,
  target: string,
  key: string,
) {
  const lines = [...(ipRange === undefined ? [] : [`ip=${ipRange}`]), method, expiresS, target];
  return createHmac(signature.digest, key).update(lines.join('\n')).digest();
}

function refuseDisallowed({ exchange }: SwiftRequest): void {
  for (const name of disallowed)
    if (headerOf(exchange, name) !== undefined) {
      const shown = name.replace(/(^|-)[a-z]/g, (text) => text.toUpperCase());
      throw refusal('bad-request', `The header '${shown}' is not allowed in this tempurl`, {
        'Content-Type': htmlType,
      });
    }
}

const keptQuery = ['temp_url_sig', 'temp_url_expires', 'temp_url_prefix', 'filename'];

/** The request with no right but the signature's, and without what else it asks for. */
function narrowed(
  request: ObjectRequest,
  grant: Grant,
  drops: (name: string) => boolean,
): SwiftRequest {
  const { exchange, caller, query } = request;
  const headers = headersOf(exchange);
  for (const name of Object.keys(headers)) if (drops(name)) delete headers[name];
  const inner = subRequest(request, { method: exchange.method, path: request.path, headers });
  return {
    ...inner,
    // The body stays the client's own, and so does how its length is told.
    exchange: { ...inner.exchange, headers: { ...headers }, body: exchange.body },
    query: new Map([...query].filter(([name]) => keptQuery.includes(name))),
    caller: granted(caller, grant),
  };
}

function clean(reply: Reply, drops: (name: string) => boolean): Reply {
  const headers = Object.entries(reply.headers).filter(([name]) => !drops(name.toLowerCase()));
  return { ...reply, headers: Object.fromEntries(headers) };
}

/** Tells browsers to save it, under which name, and for how long it may be kept. */
function dressed({ exchange, path, query }: ObjectRequest, signed: Signed, reply: Reply): Reply {
  if ((exchange.method !== 'GET' && exchange.method !== 'HEAD') || !isSuccess(reply)) return reply;
  const filename = query.get('filename');
  const present = reply.headers['Content-Disposition'];
  let disposition = present === undefined ? undefined : String(present);
  if (query.has('inline')) disposition = filename ? named('inline', filename) : 'inline';
  else if (filename) disposition = named('attachment', filename);
  else disposition ??= named('attachment', path.object.replace(/\/+$/, '').replace(/^.*\//, ''));
  const headers: ReplyHeaders = {
    ...reply.headers,
    'Content-Disposition': disposition.replaceAll('\n', '%0A'),
    Expires: new Date(signed.expiresS * 1000).toUTCString(),
  };
  return { ...reply, headers };
}

function named(kind: string, filename: string): string {
  const encoded = encodePercent(filename);
  return `${kind}; filename="${encoded.replaceAll('%20', ' ')}"; filename*=UTF-8''${encoded}`;
}
