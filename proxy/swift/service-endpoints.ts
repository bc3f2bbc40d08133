/** What is no account: `/info`, `/healthcheck` and TempAuth's `/auth/v1.0`. */
import { accountOf } from '../authenticator.ts';
import type { Exchange, Reply } from '../exchange.ts';
import { deletesMax } from './bulk-delete.ts';
import { listingMax } from './listing.ts';
import { metadataMax } from './metadata.ts';
import { page, refusal } from './refusal.ts';
import { segmentsMax } from './slo-manifest.ts';
import { headerOf, type SwiftServices } from './swift-request.ts';
import { encodePercent, fromHeader } from './text.ts';

function describe({ settings }: SwiftServices): unknown {
  return {
    swift: {
      version: '2.30.0',
      strict_cors_mode: true,
      policies: [{ name: 'default', default: true, aliases: 'default' }],
      allow_account_management: false,
      account_autocreate: true,
      max_file_size: settings.objectBytesMax,
      max_meta_name_length: metadataMax.nameLength,
      max_meta_value_length: metadataMax.valueLength,
      max_meta_count: metadataMax.count,
      max_meta_overall_size: metadataMax.overallSize,
      max_header_size: metadataMax.headerLength,
      max_object_name_length: 1024,
      container_listing_limit: listingMax,
      account_listing_limit: listingMax,
      max_account_name_length: 256,
      max_container_name_length: 256,
      valid_api_versions: ['v1', 'v1.0'],
      extra_header_count: 0,
    },
    slo: {
      max_manifest_segments: segmentsMax,
      max_manifest_size: 8 * 1024 * 1024,
      min_segment_size: 1,
      allow_async_delete: false,
    },
    dlo: {},
    bulk_delete: { max_deletes_per_request: deletesMax, max_failed_deletes: 1000 },
    tempauth: { account_acls: false },
  };
}

export async function serveEndpoint(
  name: string,
  exchange: Exchange,
  services: SwiftServices,
): Promise<Reply> {
  const reads = exchange.method === 'GET' || exchange.method === 'HEAD';
  if (name === '/info') {
    if (!reads && exchange.method !== 'OPTIONS') return page(405, { Allow: 'HEAD, GET, OPTIONS' });
    const headers = { 'Content-Type': 'application/json; charset=UTF-8' };
    return { status: 200, headers, body: JSON.stringify(describe(services)) };
  }
  if (name === '/healthcheck') {
    if (!reads) return page(405, { Allow: 'GET, HEAD' });
    return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: 'OK' };
  }
  if (/^\/auth\/v1(\.0)?\/?$/.test(name)) {
    if (!reads) return page(405, { Allow: 'GET, HEAD' });
    return await issueToken(exchange, services);
  }
  throw refusal('not-found');
}

async function issueToken(exchange: Exchange, services: SwiftServices): Promise<Reply> {
  const user = headerOf(exchange, 'x-auth-user') ?? headerOf(exchange, 'x-storage-user');
  const key = headerOf(exchange, 'x-auth-key') ?? headerOf(exchange, 'x-storage-pass');
  const denied = page(401, { 'WWW-Authenticate': 'Swift realm="unknown"' });
  const [projectUser, secret] = [fromHeader(user ?? ''), fromHeader(key ?? '')];
  if (!projectUser || !secret) return denied;
  const session = await services.authenticator.authenticatePassword(projectUser, secret);
  if (session?.identity.projectId === undefined) return denied;
  const account = accountOf(session.identity.projectId);
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
  return `${exchange.secure ? 'https' : 'http'}://${host}`;
}
