/** How many requests a second one caller may make: a bucket that fills steadily and holds a burst. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#common';

export interface RateLimit {
  /** 0 for no limit. */
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  filledMs: number;
}

/** Callers that are remembered; one that is forgotten starts with a full bucket. */
const bucketsMax = 10_000;

export class RateLimiter {
  private readonly limit: RateLimit;
  private readonly clock: Clock;
  private readonly buckets = new LRUCache<string, Bucket>({ max: bucketsMax });

  constructor(limit: RateLimit, clock: Clock) {
    this.limit = limit;
    this.clock = clock;
  }

  /** 0 when the caller may go on, or else seconds to wait. */
  take(caller: string): number {
    const { perSecond, burst } = this.limit;
    if (perSecond === 0) return 0;
    const nowMs = this.clock.monotonicMs();
    const bucket = this.buckets.get(caller) ?? { tokens: burst, filledMs: nowMs };
    const filled = bucket.tokens + ((nowMs - bucket.filledMs) / 1000) * perSecond;
    bucket.tokens = Math.min(burst, filled);
    bucket.filledMs = nowMs;
    this.buckets.set(caller, bucket);
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond));
    bucket.tokens--;
    return 0;
  }
}
