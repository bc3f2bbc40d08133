/** Pages of other origins: what browsers are told of who may read an answer, by container and by the settings. */
import { isFailure } from '#common';
import type { Reply, ReplyHeaders } from '../../exchange.ts';
import { allowedMethods } from '../allowed-methods.ts';
import { page, settled } from '../refusal.ts';
import {
  headerOf,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { fromHeader, toHeader } from '../text.ts';

const exposedAlways = [
  'cache-control',
  'content-language',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
  'etag',
  'x-timestamp',
  'x-trans-id',
  'x-openstack-request-id',
];

interface Rules {
  readonly origin: string;
  readonly exposed: string;
  readonly maxAge: string | undefined;
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

export function createCors(services: SwiftServices): SwiftStage {
  const { corsAllowOrigin, corsExposeHeaders, corsStrict } = services.swift;
  const everywhere = words(corsAllowOrigin);
  const isAllowed = ({ origin }: Rules, asked: string) => {
    const allowed = [...everywhere, ...origin.split(/\s+/)];
    return allowed.includes('*') || allowed.includes(asked);
  };
  const grant = ({ origin }: Rules, asked: string): ReplyHeaders =>
    origin.trim() === '*'
      ? { 'Access-Control-Allow-Origin': '*' }
      : { 'Access-Control-Allow-Origin': asked, Vary: 'Origin' };

  const preflight = async (request: SwiftRequest, asked: string): Promise<Reply> => {
    const rules = await rulesOf(request, services);
    const allow = allowedMethods(request, services);
    const method = headerOf(request.exchange, 'access-control-request-method');
    if (rules === undefined) return { status: 200, headers: { Allow: allow }, body: '' };
    const known = method !== undefined && allow.split(', ').includes(method);
    if (!isAllowed(rules, asked) || !known) return page(401, { Allow: allow });
    const wanted = words(headerOf(request.exchange, 'access-control-request-headers') ?? '');
    const headers: Record<string, string | number> = {
      Allow: allow,
      ...grant(rules, asked),
      'Access-Control-Allow-Methods': allow,
      ...(rules.maxAge === undefined ? {} : { 'Access-Control-Max-Age': toHeader(rules.maxAge) }),
    };
    if (wanted.length > 0) {
      headers['Access-Control-Allow-Headers'] = wanted.join(', ');
      const vary = 'Access-Control-Request-Headers';
      headers.Vary = headers.Vary === undefined ? vary : `${headers.Vary}, ${vary}`;
    }
    return { status: 200, headers, body: '' };
  };

  const dress = (reply: Reply, rules: Rules, asked: string): Reply => {
    if (corsStrict && !isAllowed(rules, asked)) return reply;
    const given = grant(rules, asked);
    const metadata = Object.keys(reply.headers).filter((name) =>
      /^x-(?:container|object)-meta/i.test(name),
    );
    const exposed = [...exposedAlways, ...words(corsExposeHeaders), ...words(rules.exposed)];
    const names = new Set([...exposed, ...metadata].map((name) => name.toLowerCase()));
    const vary = [reply.headers.Vary, given.Vary].filter((each) => each !== undefined).join(', ');
    const headers = {
      'Access-Control-Expose-Headers': toHeader([...names].join(', ')),
      ...reply.headers,
      ...given,
      ...(vary === '' ? {} : { Vary: vary }),
    };
    return { ...reply, headers };
  };

  const serve = async (
    request: SwiftRequest,
    answer: () => Promise<Reply>,
    asked: string,
  ): Promise<Reply> => {
    if (request.exchange.method === 'OPTIONS') return await preflight(request, asked);
    const reply = await settled(answer);
    const rules = await rulesOf(request, services);
    return rules === undefined ? reply : dress(reply, rules, asked);
  };
  return (request, next) => {
    const origin = headerOf(request.exchange, 'origin');
    if (origin === undefined) return next(request);
    return serve(request, () => next(request), fromHeader(origin) ?? origin);
  };
}

/** What the container says; undefined outside of containers. */
async function rulesOf(
  { path }: SwiftRequest,
  { objects }: SwiftServices,
): Promise<Rules | undefined> {
  if (path.container === undefined) return undefined;
  try {
    const { metadata } = await objects.containers.open(path.account, path.container);
    return {
      origin: metadata['access-control-allow-origin'] ?? '',
      exposed: metadata['access-control-expose-headers'] ?? '',
      maxAge: metadata['access-control-max-age'],
    };
  } catch (error) {
    if (isFailure(error, 'missing')) return { origin: '', exposed: '', maxAge: undefined };
    throw error;
  }
}
