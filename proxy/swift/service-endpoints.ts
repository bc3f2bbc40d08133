/** What is no account: `/info`, `/healthcheck`, `/recon/…`, `/crossdomain.xml`, and TempAuth's `/auth/v1.0`. */
import type { Exchange, Reply } from '../exchange.ts';
import { describeCluster, isForAdmins } from './cluster-info.ts';
import { createRecon } from './recon.ts';
import { page, refusal } from './refusal.ts';
import type { Query } from './swift-path.ts';
import { headerOf, type SwiftServices } from './swift-request.ts';
import { encodePercent, fromHeader } from './text.ts';

export interface EndpointRequest {
  readonly name: string;
  readonly exchange: Exchange;
  readonly query: Query;
}

type Endpoint = (request: EndpointRequest) => Promise<Reply>;

export function createServiceEndpoints(services: SwiftServices): Endpoint {
  const recon = services.offers.has('recon') ? createRecon(services) : undefined;
  const policy = services.offers.has('crossdomain') ? services.swift.crossDomainPolicy : '';
  return async (request) => {
    const { name, exchange } = request;
    const reads = exchange.method === 'GET' || exchange.method === 'HEAD';
    if (name === '/info') return await info(request, services);
    if (name === '/healthcheck') {
      if (!reads) return page(405, { Allow: 'GET, HEAD' });
      return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: 'OK' };
    }
    if (name === '/crossdomain.xml' && policy !== '' && reads) return crossDomain(policy);
    if (recon !== undefined && name.startsWith('/recon/') && reads) return await recon(name);
    if (/^\/auth\/v1(\.0)?\/?$/.test(name)) {
      if (!reads) return page(405, { Allow: 'GET, HEAD' });
      return await issueToken(exchange, services);
    }
    throw refusal('not-found');
  };
}

async function info({ exchange, query }: EndpointRequest, services: SwiftServices): Promise<Reply> {
  const { method } = exchange;
  if (method === 'OPTIONS')
    return { status: 200, headers: { Allow: 'HEAD, GET, OPTIONS' }, body: '' };
  if (method !== 'GET' && method !== 'HEAD') return page(405, { Allow: 'HEAD, GET, OPTIONS' });
  const origin = headerOf(exchange, 'origin');
  const headers = {
    'Content-Type': 'application/json; charset=UTF-8',
    // Everybody may read this page, so the pages of every origin may.
    ...(origin === undefined
      ? {}
      : {
          'Access-Control-Allow-Origin': origin,
          'Access-Control-Expose-Headers': 'x-trans-id',
          Vary: 'Origin',
        }),
  };
  const admin = Boolean(query.get('swiftinfo_sig') || query.get('swiftinfo_expires'));
  if (admin && !isForAdmins(method, query, services))
    return page(services.swift.infoAdminKey === '' ? 403 : 401, {
      'WWW-Authenticate': 'Swift realm="unknown"',
    });
  return { status: 200, headers, body: JSON.stringify(describeCluster(services, admin)) };
}

function crossDomain(policy: string): Reply {
  const body = [
    '<?xml version="1.0"?>',
    '<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd" >',
    '<cross-domain-policy>',
    policy,
    '</cross-domain-policy>',
  ];
  return { status: 200, headers: { 'Content-Type': 'application/xml' }, body: body.join('\n') };
}

async function issueToken(exchange: Exchange, services: SwiftServices): Promise<Reply> {
  const user = headerOf(exchange, 'x-auth-user') ?? headerOf(exchange, 'x-storage-user');
  const key = headerOf(exchange, 'x-auth-key') ?? headerOf(exchange, 'x-storage-pass');
  const denied = page(401, { 'WWW-Authenticate': 'Swift realm="unknown"' });
  const [projectUser, secret] = [fromHeader(user ?? ''), fromHeader(key ?? '')];
  if (!projectUser || !secret) return denied;
  const session = await services.authenticator.authenticatePassword(projectUser, secret);
  if (session?.identity.projectId === undefined) return denied;
  const account = `${services.rules.prefixes[0] ?? 'AUTH_'}${session.identity.projectId}`;
  exchange.account = account;
  const { expiresMs } = session.identity;
  const leftS =
    expiresMs === undefined
      ? services.settings.tokenLifeSeconds
      : Math.floor((expiresMs - services.clock.nowUs() / 1000) / 1000);
  return {
    status: 200,
    headers: {
      'Content-Type': 'text/plain; charset=UTF-8',
      'X-Auth-Token': session.token,
      'X-Storage-Token': session.token,
      'X-Storage-Url': `${originOf(exchange)}/v1/${encodePercent(account)}`,
      'X-Auth-Token-Expires': Math.max(0, Math.min(leftS, services.settings.tokenLifeSeconds)),
    },
    body: '',
  };
}

const hostForm = /^[A-Za-z0-9.[\]:_-]{1,255}$/;

/** Where the client reached us, so that it comes back the same way. */
function originOf(exchange: Exchange): string {
  const { host } = exchange.headers;
  if (host === undefined || !hostForm.test(host)) throw refusal('bad-request');
  return `${exchange.secure ? 'https' : 'http'}://${host}${exchange.prefix ?? ''}`;
}
