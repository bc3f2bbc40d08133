/**
 * OpenID Connect providers: what they say of the bearer of an access token. A token that is signed (RFC 9068) is verified
 * with the provider's keys; an opaque one is shown to the provider, who answers with the claims of its owner.
 *
 * The libraries are loaded at the first such log-in: a cloud without providers is smaller for it.
 */
import type { JSONWebKeySet } from 'jose';
import { LRUCache } from 'lru-cache';
import { type Clock, Failure, messageOf } from '#common';

export type Claims = Readonly<Record<string, unknown>>;

interface Provider {
  readonly keys: JSONWebKeySet;
  readonly userinfoUrl: string | undefined;
  readonly fetchedAtMs: number;
}

const answerBytesMax = 262_144;
const answerMsMax = 5_000;
const keepMs = 3_600_000;
// A token by an unknown key makes us look for new keys, so often and no oftener.
const lookAgainMs = 10_000;
const tokenCharactersMax = 16_384;
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

export class OpenIdProviders {
  private readonly clock: Clock;
  private readonly known = new LRUCache<string, Provider>({ max: 100 });

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /**
   * The claims behind an access token of one of these issuers; nothing when it is not theirs. An `audience` is one that
   * the token must be for.
   */
  async claimsOf(
    token: string,
    issuers: readonly string[],
    audience: string,
  ): Promise<Claims | undefined> {
    if (token.length > tokenCharactersMax) return undefined;
    const named = await issuerOf(token);
    if (named !== undefined)
      return issuers.includes(named) ? this.verify(token, named, audience) : undefined;
    // What says nothing of its audience is not for any in particular.
    if (audience !== '') return undefined;
    for (const issuer of issuers) {
      const claims = await this.ask(token, issuer);
      if (claims !== undefined) return { ...claims, iss: issuer };
    }
    return undefined;
  }

  private async verify(
    token: string,
    issuer: string,
    audience: string,
  ): Promise<Claims | undefined> {
    const first = await this.provider(issuer, keepMs);
    const claims = await verified(token, first, { issuer, audience }, this.clock);
    if (claims !== undefined) return claims;
    const fresh = await this.provider(issuer, lookAgainMs);
    return fresh === first ? undefined : verified(token, fresh, { issuer, audience }, this.clock);
  }

  private async ask(token: string, issuer: string): Promise<Claims | undefined> {
    const { userinfoUrl } = await this.provider(issuer, keepMs);
    if (userinfoUrl === undefined) return undefined;
    const { status, body } = await fetchJson(userinfoUrl, { authorization: `Bearer ${token}` });
    return status === 200 ? body : undefined;
  }

  private async provider(issuer: string, ageMsMax: number): Promise<Provider> {
    const nowMs = this.clock.monotonicMs();
    const known = this.known.get(issuer);
    if (known !== undefined && nowMs - known.fetchedAtMs < ageMsMax) return known;
    const discovery = await fetchOk(
      `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
    );
    if (discovery.issuer !== issuer) throw unusable(issuer, 'it calls itself by another name');
    const { jwks_uri: keysUrl, userinfo_endpoint: userinfo } = discovery;
    if (typeof keysUrl !== 'string') throw unusable(issuer, 'it names no keys');
    const keys = await fetchOk(keysUrl);
    if (!Array.isArray(keys.keys)) throw unusable(issuer, 'its keys are not a set');
    const provider: Provider = {
      keys: { keys: keys.keys },
      userinfoUrl: typeof userinfo === 'string' ? userinfo : undefined,
      fetchedAtMs: nowMs,
    };
    this.known.set(issuer, provider);
    return provider;
  }
}

/** What a token that looks signed says of its issuer, believed only to know whom to ask. */
async function issuerOf(token: string): Promise<string | undefined> {
  if (token.split('.').length !== 3) return undefined;
  const { decodeJwt } = await import('jose');
  try {
    return decodeJwt(token).iss;
  } catch {
    // Three parts, yet no JWT: an opaque token then.
    return undefined;
  }
}

async function verified(
  token: string,
  provider: Provider,
  wanted: { readonly issuer: string; readonly audience: string },
  clock: Clock,
): Promise<Claims | undefined> {
  const { issuer, audience } = wanted;
  const { createLocalJWKSet, jwtVerify } = await import('jose');
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(provider.keys), {
      issuer,
      algorithms,
      requiredClaims: ['sub', 'exp'],
      currentDate: new Date(clock.nowUs() / 1000),
      ...(audience === '' ? {} : { audience }),
    });
    return payload;
  } catch (error) {
    // Every complaint of the library's is about the token: it proves nothing.
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_J'))
      return undefined;
    throw error;
  }
}

const unusable = (url: string, why: string, cause?: unknown) =>
  new Failure('unreachable', 'provider-unusable', `An identity provider cannot be used: ${why}`, {
    facts: { url },
    cause,
  });

async function fetchOk(url: string): Promise<Record<string, unknown>> {
  const { status, body } = await fetchJson(url, {});
  if (status !== 200 || body === undefined) throw unusable(url, `it answered ${status}`);
  return body;
}

async function fetchJson(url: string, headers: Record<string, string>) {
  refuseOpenText(url);
  const { request } = await import('undici');
  try {
    const response = await request(url, {
      headers: { accept: 'application/json', ...headers },
      headersTimeout: answerMsMax,
      bodyTimeout: answerMsMax,
      signal: AbortSignal.timeout(2 * answerMsMax),
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response.body) {
      bytes += chunk.length;
      if (bytes > answerBytesMax) throw unusable(url, 'it answers too much');
      chunks.push(chunk);
    }
    const value: unknown =
      response.statusCode === 200 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
    const body =
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? { ...value }
        : undefined;
    return { status: response.statusCode, body: body as Record<string, unknown> | undefined };
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw unusable(url, messageOf(error), error);
  }
}

/** Keys that come in the open could be anybody's, and so could tokens that go there. */
function refuseOpenText(text: string): void {
  const url = new URL(text);
  const local = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local))
    throw unusable(text, 'it does not speak HTTPS');
}
