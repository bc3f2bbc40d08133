/** Issues and validates tokens. Validation is local: a signature (or the memory of having checked it), then the context. */
import { LRUCache } from 'lru-cache';
import type { Context, Contexts } from '../contexts.ts';
import type { IdentityCore } from '../core.ts';
import type { FederatedClaims, TokenClaims, TokenScope } from './claims.ts';

/** A valid token and what it stands for now. */
export interface TokenInfo extends Context {
  readonly methods: readonly string[];
  readonly auditIds: readonly [string, string];
  readonly issuedAtUs: number;
  readonly expiresAtUs: number;
  readonly federated: FederatedClaims | undefined;
}

export interface IssueRequest {
  readonly userId: string;
  readonly scope: TokenScope;
  readonly methods: readonly string[];
  readonly applicationCredentialId?: string;
  readonly trustId?: string;
  readonly federated?: FederatedClaims;
  /** No later than this, whatever else. */
  readonly expiresAtUsMax?: number;
  /** The token this one is made from: it lives no longer, and goes when the chain is revoked. */
  readonly parent?: { readonly auditIds: readonly [string, string]; readonly expiresAtUs: number };
}

export class Tokens {
  private readonly core: IdentityCore;
  private readonly contexts: Contexts;
  /** Tokens whose signature was checked. Only genuine ones get in, so forgeries cannot push them out. */
  private readonly verified: LRUCache<string, TokenClaims> | undefined;

  constructor(core: IdentityCore, contexts: Contexts) {
    this.core = core;
    this.contexts = contexts;
    const max = core.settings.verifiedTokensMax;
    this.verified = max === 0 ? undefined : new LRUCache({ max });
  }

  /** Nothing when the user may not have this scope. */
  async issue(request: IssueRequest): Promise<{ token: string; info: TokenInfo } | undefined> {
    const context = await this.contexts.resolve(request);
    if (context === undefined) return undefined;
    const nowUs = this.core.clock.nowUs();
    const auditId = this.core.random.bytes(16).toString('base64url');
    const ends = [request.parent?.expiresAtUs, context.expiresAtUs, request.expiresAtUsMax];
    const latestUs = nowUs + this.core.settings.tokenLifetimeS * 1e6;
    const claims: TokenClaims = {
      userId: request.userId,
      scope: request.scope,
      methods: request.methods,
      auditIds: [auditId, request.parent?.auditIds[1] ?? auditId],
      issuedAtUs: nowUs,
      // Not longer than what it is made from: a token, an application credential, a trust.
      expiresAtUs: Math.min(latestUs, ...ends.filter((us) => us !== undefined)),
      ...(request.applicationCredentialId === undefined
        ? {}
        : { applicationCredentialId: request.applicationCredentialId }),
      ...(request.trustId === undefined ? {} : { trustId: request.trustId }),
      ...(request.federated === undefined ? {} : { federated: request.federated }),
    };
    const token = this.core.keyring.sign(claims);
    return { token, info: infoOf(claims, context) };
  }

  /**
   * What a token stands for; nothing when it is forged, expired, revoked, or its user or scope is gone. `graceS` is for
   * services at work on something that took longer than their caller's token lived.
   */
  async validate(token: string, graceS = 0): Promise<TokenInfo | undefined> {
    const claims = this.verified?.get(token) ?? (await this.verify(token));
    if (claims === undefined) return undefined;
    const endUs = claims.expiresAtUs + graceS * 1e6;
    if (endUs <= this.core.clock.nowUs() || this.core.revocations.covers(claims)) return undefined;
    const context = await this.contexts.resolve(claims);
    return context === undefined ? undefined : infoOf(claims, context);
  }

  private async verify(token: string): Promise<TokenClaims | undefined> {
    const claims = await this.core.keyring.verify(token);
    if (claims !== undefined) this.verified?.set(token, claims);
    return claims;
  }
}

function infoOf(claims: TokenClaims, context: Context): TokenInfo {
  const { methods, auditIds, issuedAtUs, expiresAtUs, federated } = claims;
  return { ...context, methods, auditIds, issuedAtUs, expiresAtUs, federated };
}
