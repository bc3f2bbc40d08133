/**
 * Rates: of containers made and deleted in an account, of objects written in a container and of its listings, the last two by how
 * much the container holds. A request that is early waits; one that would wait too long is refused. Counted by each process for itself.
 */
import type { Reply } from '../../exchange.ts';
import { RateBook } from '../rate-book.ts';
import { textReply } from '../refusal.ts';
import {
  isContainerRequest,
  isObjectRequest,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';

const writes: ReadonlySet<string> = new Set(['PUT', 'DELETE', 'POST', 'COPY']);
const blockedSleepMs = 1_000;

type Rates = readonly (readonly [size: number, rate: number])[];

/** `0=100 1000=50`, by size. */
export function parseRates(text: string): Rates {
  const pairs = text.split(/[\s,]+/).flatMap((word): (readonly [number, number])[] => {
    const [size, rate] = word.split('=').map(Number);
    return size === undefined || rate === undefined || word === '' ? [] : [[size, rate]];
  });
  return pairs.sort(([a], [b]) => a - b);
}

/** The rate for a container of that size: on the line between two given ones; undefined below the first. */
export function rateAt(rates: Rates, size: number): number | undefined {
  let rate: number | undefined;
  for (const [at, [from, base]] of rates.entries()) {
    if (size < from) break;
    const next = rates[at + 1];
    const slope = next === undefined ? 0 : (next[1] - base) / (next[0] - from);
    rate = base + (size - from) * slope;
  }
  return rate;
}

export function createRateLimit(services: SwiftServices): SwiftStage | undefined {
  const { swift, clock, objects } = services;
  const [written, listed] = [parseRates(swift.containerRates), parseRates(swift.listingRates)];
  const exempt = new Set(swift.rateExempt.split(/[\s,]+/));
  const blocked = new Set(swift.rateBlocked.split(/[\s,]+/).filter((name) => name !== ''));
  const { accountRateMax } = swift;
  if (accountRateMax === 0 && written.length + listed.length + blocked.size === 0) return undefined;
  const book = new RateBook(clock, swift);

  const rateOf = async (rates: Rates, request: SwiftRequest): Promise<number | undefined> => {
    const { account, container = '' } = request.path;
    if (rates.length === 0) return undefined;
    try {
      const found = await objects.containers.open(account, container);
      return rateAt(rates, (await objects.containers.usage(found)).objects);
    } catch {
      // What is wrong with the container is for the operation itself to say.
      return undefined;
    }
  };
  /** What the request counts towards, and how often that may happen in a second. */
  const limitOf = async (request: SwiftRequest): Promise<readonly [string, number | undefined]> => {
    const { method } = request.exchange;
    const { account, container } = request.path;
    if (isObjectRequest(request))
      return writes.has(method)
        ? [`${account}/${container}`, await rateOf(written, request)]
        : ['', undefined];
    if (!isContainerRequest(request)) return ['', undefined];
    if (method === 'GET') return [`listing/${account}/${container}`, await rateOf(listed, request)];
    return method === 'PUT' || method === 'DELETE' ? [account, accountRateMax] : ['', undefined];
  };
  return async (request, next): Promise<Reply> => {
    const { account } = request.path;
    if (exempt.has(account)) return await next(request);
    if (blocked.has(account)) {
      await clock.sleep(blockedSleepMs);
      return textReply(497, 'Your account has been blacklisted');
    }
    const [key, rate] = await limitOf(request);
    if (!rate) return await next(request);
    const waitMs = book.take(key, rate);
    if (waitMs === undefined) return textReply(498, 'Slow down');
    if (waitMs > 0) await clock.sleep(waitMs);
    return await next(request);
  };
}
