/**
 * The keys that sign tokens. One signs, all verify. A new key is stored before its first token exists; a process that
 * meets a token of a key it does not know looks into the state once, so rotation logs nobody out, in any process.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Kysely } from 'kysely';
import { type Clock, Failure, type Random } from '#common';
import type { Sealer } from '../sealing.ts';
import type { IdentityTables, TokenKeyRow } from '../tables.ts';
import {
  encodeToken,
  isGenuine,
  publicKeyOf,
  readClaims,
  type TokenClaims,
  takeApart,
} from './claims.ts';

export interface KeyringOptions {
  readonly db: Kysely<IdentityTables>;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly random: Random;
  readonly keyLifetimeS: number;
  readonly tokenLifetimeS: number;
}

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly createdAtUs: number;
}

// Forged tokens that name unknown keys must not turn into a query each: so many looks in a second, no more.
// Whoever rotates also raises the epoch, so even under such a flood a new key is known everywhere within `followMs`.
const looksPerSecondMax = 10;

export class Keyring {
  private readonly options: KeyringOptions;
  private verifying = new Map<string, KeyObject>();
  private signing: SigningKey | undefined;
  private looks = 0;
  private looksSinceMs = Number.NEGATIVE_INFINITY;

  constructor(options: KeyringOptions) {
    this.options = options;
  }

  /** Loads the keys; makes the first one, and the next one when the present is old. */
  async open(): Promise<void> {
    await this.reload();
    if (this.isOld()) await this.rotate();
  }

  isOld(): boolean {
    const ageUs = this.options.clock.nowUs() - (this.signing?.createdAtUs ?? 0);
    return this.signing === undefined || ageUs > this.options.keyLifetimeS * 1e6;
  }

  /** Starts signing with a new key; the old ones verify until the last token they signed has expired. */
  async rotate(): Promise<void> {
    const { db, clock, random, sealer } = this.options;
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const kid = random.bytes(9).toString('base64url');
    const nowUs = clock.nowUs();
    const row: TokenKeyRow = {
      kid,
      public_key: JSON.stringify(pair.publicKey.export({ format: 'jwk' })),
      sealed_private_key: sealer.seal(
        purposeOf(kid),
        JSON.stringify(pair.privateKey.export({ format: 'jwk' })),
      ),
      created_at_us: nowUs,
      retired_at_us: null,
    };
    await db.transaction().execute(async (transaction) => {
      const expired = nowUs - this.options.tokenLifetimeS * 1e6;
      await transaction
        .deleteFrom('identity_token_key')
        .where('retired_at_us', '<', expired)
        .execute();
      await transaction
        .updateTable('identity_token_key')
        .set({ retired_at_us: nowUs })
        .where('retired_at_us', 'is', null)
        .execute();
      await transaction.insertInto('identity_token_key').values(row).execute();
    });
    await this.reload();
  }

  sign(claims: TokenClaims): string {
    if (this.signing === undefined)
      throw new Failure('closed', 'no-signing-key', 'Identity is not open yet');
    return encodeToken(claims, this.signing.kid, this.signing.privateKey);
  }

  /** The claims of a token with a genuine signature, expired or not. */
  async verify(token: string): Promise<TokenClaims | undefined> {
    const parts = takeApart(token);
    if (parts === undefined) return undefined;
    let key = this.verifying.get(parts.kid);
    if (key === undefined) {
      if (!this.mayLook()) return undefined;
      await this.reload();
      key = this.verifying.get(parts.kid);
    }
    return key !== undefined && isGenuine(parts, key) ? readClaims(parts) : undefined;
  }

  private mayLook(): boolean {
    const nowMs = this.options.clock.monotonicMs();
    if (nowMs - this.looksSinceMs >= 1000) {
      this.looksSinceMs = nowMs;
      this.looks = 0;
    }
    this.looks++;
    return this.looks <= looksPerSecondMax;
  }

  async reload(): Promise<void> {
    const rows = await this.options.db
      .selectFrom('identity_token_key')
      .selectAll()
      .orderBy('created_at_us', 'desc')
      .execute();
    this.verifying = new Map(rows.map((row) => [row.kid, publicKeyOf(jwkOf(row.public_key))]));
    const current = rows.find((row) => row.retired_at_us === null);
    if (current === undefined || current.kid === this.signing?.kid) return;
    const opened = this.options.sealer.open(purposeOf(current.kid), current.sealed_private_key);
    this.signing = {
      kid: current.kid,
      privateKey: createPrivateKey({ key: jwkOf(opened), format: 'jwk' }),
      createdAtUs: current.created_at_us,
    };
  }
}

const purposeOf = (kid: string) => `token-key ${kid}`;

function jwkOf(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null) return { ...value };
  throw new Failure('corrupt', 'token-key-damaged', 'A stored token key is damaged');
}
