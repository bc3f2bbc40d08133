/** ETags of objects in quotes, as HTTP has them (RFC 9110 §8.8.3) and as some caches in front of us need them: by container, account or setting. */
import type { Exchange, Reply } from '../../exchange.ts';
import type { Fields } from '../../objects/index.ts';
import { toFields } from '../metadata.ts';
import {
  headerOf,
  isObjectRequest,
  type ObjectRequest,
  type SwiftHandler,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { isTrue } from '../text.ts';

/** System field of an account or a container: `True` or `False`; absent, the next further out says it. */
const quotedField = 'rfc-compliant-etags';

export function createEtagQuoter(services: SwiftServices): SwiftStage {
  return (request, next) =>
    isObjectRequest(request) ? quoted(request, next, services) : next(request);
}

async function quoted(
  request: ObjectRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  const reply = await next(request);
  const { Etag: etag } = reply.headers;
  if (typeof etag !== 'string' || /^(?:"|W\/").*"$/.test(etag)) return reply;
  if (!(await wantsQuotes(request, services))) return reply;
  return { ...reply, headers: { ...reply.headers, Etag: `"${etag}"` } };
}

/** An answer with an ETag was authorized, so that its container is there and cached. */
async function wantsQuotes(
  { path }: ObjectRequest,
  { objects, swift }: SwiftServices,
): Promise<boolean> {
  const container = await objects.containers.open(path.account, path.container);
  const own = container.system[quotedField];
  if (own !== undefined) return isTrue(own);
  const { system } = await objects.accounts.peek(path.account);
  const general = system[quotedField];
  return general === undefined ? swift.etagsQuoted : isTrue(general);
}

type Owner = 'Account' | 'Container';

/** The system fields after the request's headers. */
export function applyQuoting(exchange: Exchange, owner: Owner, present: Fields): Fields {
  const { given, removed } = quotingHeaders(exchange, owner);
  if (given === undefined && !removed) return present;
  const next = new Map(Object.entries(present));
  if (given && !removed) next.set(quotedField, isTrue(given) ? 'True' : 'False');
  else next.delete(quotedField);
  return toFields(next);
}

export function namesQuoting(exchange: Exchange, owner: Owner): boolean {
  const { given, removed } = quotingHeaders(exchange, owner);
  return given !== undefined || removed;
}

function quotingHeaders(exchange: Exchange, owner: Owner) {
  const name = `${owner.toLowerCase()}-rfc-compliant-etags`;
  const removed = Boolean(headerOf(exchange, `x-remove-${name}`));
  return { given: headerOf(exchange, `x-${name}`), removed };
}

export function writeQuoting(
  headers: Record<string, string | number>,
  owner: Owner,
  system: Fields,
): void {
  const value = system[quotedField];
  if (value !== undefined) headers[`X-${owner}-Rfc-Compliant-Etags`] = value;
}
