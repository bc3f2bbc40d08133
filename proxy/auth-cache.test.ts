import { beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#common';
import { cacheAuthenticator } from './auth-cache.ts';
import type { Authenticator, Identity } from './authenticator.ts';

const identity: Identity = {
  userId: 'u',
  userName: 'user',
  projectId: 'p',
  projectName: 'project',
  domainId: 'default',
  domainName: 'Default',
  roles: ['member'],
  reseller: false,
  expiresMs: undefined,
};

let clock: VirtualClock;
let asked: number;
let revoke: () => void;
let known: Map<string, Identity>;
let gate: Promise<void>;
let cached: ReturnType<typeof cacheAuthenticator>;

beforeEach(() => {
  clock = new VirtualClock();
  asked = 0;
  revoke = () => undefined;
  known = new Map([['good', identity]]);
  gate = Promise.resolve();
  const inner: Authenticator = {
    authenticatePassword: async () => undefined,
    validateToken: async (token) => {
      asked += 1;
      const found = known.get(token);
      await gate;
      return found;
    },
    s3Secret: async (key) => {
      asked += 1;
      const found = known.get(key);
      return found && { secret: 's', identity: found };
    },
    onRevoked: (listener) => {
      revoke = listener;
      return () => {
        revoke = () => undefined;
      };
    },
  };
  cached = cacheAuthenticator(inner, clock, { authCacheMs: 1_000, authCacheMax: 2 });
});

test('identity is asked once per token and lifetime', async () => {
  for (let n = 0; n < 3; n++) expect(await cached.validateToken('good')).toBe(identity);
  expect(asked).toBe(1);
  await clock.advance(1_001);
  await cached.validateToken('good');
  expect(asked).toBe(2);
  await cached.s3Secret('good');
  await cached.s3Secret('good');
  expect(asked).toBe(3);
});

test('what is not good is not remembered, and a token of absurd length not even asked about', async () => {
  expect(await cached.validateToken('bad')).toBeUndefined();
  expect(await cached.validateToken('bad')).toBeUndefined();
  expect(asked).toBe(2);
  expect(await cached.validateToken('x'.repeat(10_000))).toBeUndefined();
  expect(asked).toBe(2);
});

test('a revocation is in force at once, even for a validation under way', async () => {
  await cached.validateToken('good');
  known.delete('good');
  revoke();
  expect(await cached.validateToken('good')).toBeUndefined();
  known.set('good', identity);
  let open: (() => void) | undefined;
  gate = new Promise((resolve) => {
    open = resolve;
  });
  const underWay = cached.validateToken('good');
  known.delete('good');
  revoke();
  open?.();
  await underWay;
  expect(await cached.validateToken('good')).toBeUndefined();
});

test('an expired token is refused though it is remembered', async () => {
  known.set('short', { ...identity, expiresMs: clock.nowUs() / 1000 + 500 });
  expect(await cached.validateToken('short')).toBeDefined();
  await clock.advance(600);
  expect(await cached.validateToken('short')).toBeUndefined();
});

test('the oldest make room', async () => {
  for (const name of ['a', 'b', 'c']) known.set(name, identity);
  for (const name of ['a', 'b', 'c', 'a']) await cached.validateToken(name);
  expect(asked).toBe(4);
});
