/** Remembers validated credentials for a moment; forgets them all as soon as anything is revoked. */
import type { Clock } from '#common';
import type { AccessKey, Authenticator, Identity, Owner, RequestLine } from './authenticator.ts';
import type { ProxySettings } from './settings.ts';

class RecentValues<T> {
  private readonly clock: Clock;
  private readonly lifeMs: number;
  private readonly max: number;
  private readonly held = new Map<string, { readonly value: T; readonly untilMs: number }>();

  constructor(clock: Clock, lifeMs: number, max: number) {
    this.clock = clock;
    this.lifeMs = lifeMs;
    this.max = max;
  }

  get(key: string): T | undefined {
    const entry = this.held.get(key);
    if (entry === undefined || entry.untilMs < this.clock.monotonicMs()) return undefined;
    return entry.value;
  }

  set(key: string, value: T): void {
    if (this.lifeMs === 0) return;
    this.held.delete(key);
    if (this.held.size >= this.max) {
      const [oldest] = this.held.keys();
      if (oldest !== undefined) this.held.delete(oldest);
    }
    this.held.set(key, { value, untilMs: this.clock.monotonicMs() + this.lifeMs });
  }

  clear(): void {
    this.held.clear();
  }
}

/** Tokens longer than this are not tokens, and would only fill the cache. */
const tokenBytesMax = 8_192;

export function cacheAuthenticator(
  inner: Authenticator,
  clock: Clock,
  settings: Pick<ProxySettings, 'authCacheMs' | 'authCacheMax'>,
): Authenticator & { close(): void } {
  const tokens = new RecentValues<Identity>(clock, settings.authCacheMs, settings.authCacheMax);
  const keys = new RecentValues<AccessKey>(clock, settings.authCacheMs, settings.authCacheMax);
  const owners = new RecentValues<Owner>(clock, settings.authCacheMs, settings.authCacheMax);
  // A validation begun before a revocation must not be remembered after it.
  let generation = 0;
  const stop = inner.onRevoked(() => {
    generation += 1;
    tokens.clear();
    keys.clear();
    owners.clear();
  });
  const isFresh = (identity: Identity) =>
    identity.expiresMs === undefined || identity.expiresMs > clock.nowUs() / 1000;
  const isFor = ({ permits }: Identity, line: RequestLine | undefined) =>
    permits === undefined || (line !== undefined && permits(line));
  const askForKey = async (accessKey: string) => {
    const before = generation;
    const found = await inner.s3Secret(accessKey);
    if (found !== undefined && generation === before) keys.set(accessKey, found);
    return found;
  };
  return {
    authenticatePassword: (projectUser, key) => inner.authenticatePassword(projectUser, key),
    validateToken: async (token, line) => {
      if (token.length > tokenBytesMax) return undefined;
      const cached = tokens.get(token);
      if (cached !== undefined) return isFresh(cached) && isFor(cached, line) ? cached : undefined;
      const before = generation;
      const identity = await inner.validateToken(token, line);
      if (identity === undefined || !isFresh(identity)) return undefined;
      if (generation === before) tokens.set(token, identity);
      return identity;
    },
    s3Secret: (accessKey) => keys.get(accessKey) ?? askForKey(accessKey),
    ...(inner.findOwner === undefined
      ? {}
      : {
          findOwner: async (query) => {
            const cached = 'id' in query ? owners.get(query.id) : undefined;
            if (cached !== undefined) return cached;
            const before = generation;
            const owner = await inner.findOwner?.(query);
            if (owner !== undefined && generation === before) owners.set(owner.id, owner);
            return owner;
          },
        }),
    onRevoked: (listener) => inner.onRevoked(listener),
    close: stop,
  };
}
