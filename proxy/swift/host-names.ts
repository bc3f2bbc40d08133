/**
 * Host names that stand for accounts and containers (domain remap), and host names elsewhere that are aliases of such
 * (CNAME look-up). What they stand for goes in front of the path before anything else looks at it.
 */

import { resolveCname } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Exchange, Handler, Reply } from '../exchange.ts';
import { textReply } from './refusal.ts';
import { headerOf, type SwiftServices } from './swift-request.ts';

const plain = { 'Content-Type': 'text/plain' };

/** Undefined when neither is offered, or no storage domain is set. */
export function createHostNames(
  services: SwiftServices,
  resolve: (name: string) => Promise<readonly string[]> = resolveCname,
): ((exchange: Exchange, next: Handler) => Promise<Reply>) | undefined {
  const { swift, offers } = services;
  const domains = swift.storageDomains
    .split(/[\s,]+/)
    .filter((domain) => domain !== '')
    .map((domain) => (domain.startsWith('.') ? domain : `.${domain}`));
  if (domains.length === 0) return undefined;
  const aliases =
    offers.has('cname-lookup') && swift.cnameLookups
      ? new Aliases(services, domains, resolve)
      : undefined;
  const remaps = offers.has('domain-remap');
  return async (exchange, next) => {
    // Load balancers ask by whatever name they know.
    if (/^\/healthcheck(?:\?|$)/.test(exchange.url)) return await next(exchange);
    const host = headerOf(exchange, 'host');
    if (host === undefined) return await next(exchange);
    let name = host.replace(/:\d+$/, '');
    if (aliases !== undefined && isIP(name) === 0 && !isBelow(name, domains)) {
      const found = await aliases.find(name);
      if (typeof found !== 'string') return found;
      name = found;
    }
    if (!remaps) return await next(exchange);
    const path = remap(name, domains, services);
    if (path === 'bad') return textReply(400, 'Bad domain in host header', plain);
    if (path === undefined) return await next(exchange);
    const reply = await next({ ...exchange, url: `${path}${exchange.url}` });
    return asAsked(reply, path);
  };
}

/** Where an answer leads on, it leads to the name that was asked for. */
function asAsked(reply: Reply, path: string): Reply {
  const { Location: location } = reply.headers;
  if (typeof location !== 'string' || !location.includes(path)) return reply;
  return { ...reply, headers: { ...reply.headers, Location: location.replace(path, '') } };
}

function isBelow(name: string, domains: readonly string[]): boolean {
  return domains.some((domain) => `.${name}`.endsWith(domain));
}

/** `/v1/account[/container]`; undefined for a name that stands for nothing. */
function remap(
  name: string,
  domains: readonly string[],
  { swift, rules }: SwiftServices,
): string | undefined {
  const domain = domains.find((each) => name.endsWith(each));
  if (domain === undefined) return undefined;
  const parts = name
    .slice(0, -domain.length)
    .replace(/^\.+|\.+$/g, '')
    .split('.');
  if (parts.length > 2) return 'bad';
  const container = parts.length === 2 ? parts[0] : undefined;
  let account = parts.at(-1) ?? '';
  // Host names know neither `_` nor capitals.
  if (!account.includes('_')) account = account.replace('-', '_');
  const prefix = rules.prefixes.find((each) =>
    account.toLowerCase().startsWith(each.toLowerCase()),
  );
  if (prefix === undefined) return undefined;
  account = prefix + account.slice(prefix.length);
  return `/${swift.remapPathRoot}/${account}${container === undefined ? '' : `/${container}`}`;
}

const aliasesMax = 1_000;
const aliasLifeMs = 60_000;

class Aliases {
  private readonly services: SwiftServices;
  private readonly domains: readonly string[];
  private readonly resolve: (name: string) => Promise<readonly string[]>;
  private readonly known = new Map<
    string,
    { readonly name: string | undefined; untilMs: number }
  >();

  constructor(
    services: SwiftServices,
    domains: readonly string[],
    resolve: (name: string) => Promise<readonly string[]>,
  ) {
    this.services = services;
    this.domains = domains;
    this.resolve = resolve;
  }

  /** The name below a storage domain that `name` is an alias of, or what to answer when it is of none. */
  async find(name: string): Promise<string | Reply> {
    const { cnameDepthMax } = this.services.swift;
    let at = name;
    for (let depth = 0; depth < cnameDepthMax; depth++) {
      const next = await this.lookUp(at);
      if (next === undefined || next === at)
        return textReply(400, 'CNAME lookup failed to resolve to a valid domain', plain);
      if (isBelow(next, this.domains)) return next;
      at = next;
    }
    return textReply(400, `CNAME lookup failed after ${cnameDepthMax} tries`, plain);
  }

  private async lookUp(name: string): Promise<string | undefined> {
    const nowMs = this.services.clock.monotonicMs();
    const held = this.known.get(name);
    if (held !== undefined && held.untilMs > nowMs) return held.name;
    let found: string | undefined;
    try {
      [found] = await this.resolve(name);
    } catch {
      // No such name, or a resolver that does not answer: for the client it is the same.
      found = undefined;
    }
    if (this.known.size >= aliasesMax) this.known.clear();
    this.known.set(name, { name: found, untilMs: nowMs + aliasLifeMs });
    return found;
  }
}
