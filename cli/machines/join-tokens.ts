/** One-time tokens for machines that are to join: kept as hashes in `ring/joining.json`, gone once used or after an hour. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { type Clock, Failure, type Random, randomHex } from '#common';
import { type DataFolder, writePrivate } from '../data-folder.ts';

const Token = Type.Object({
  name: Type.String(),
  zone: Type.Integer(),
  /** SHA-256 of the secret. */
  secretHash: Type.String(),
  untilUs: Type.Number(),
});
type Token = Static<typeof Token>;
const Tokens = Type.Object({ version: Type.Literal(1), tokens: Type.Array(Token) });

const lifeUs = 3_600_000_000;
const prefix = 'pileus-join-1.';

/** What a token says to the machine that joins. */
const Invitation = Type.Object({
  host: Type.String({ minLength: 1, maxLength: 255 }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  /** SHA-256 of the authority's certificate: whom to believe. */
  authority: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  secret: Type.String({ pattern: '^[0-9a-f]{32,64}$' }),
});
export type Invitation = Static<typeof Invitation>;

export class JoinTokens {
  private readonly path: string;
  private readonly clock: Clock;
  private readonly random: Random;

  constructor(folder: DataFolder, parts: { readonly clock: Clock; readonly random: Random }) {
    this.path = folder.path('ring', 'joining.json');
    this.clock = parts.clock;
    this.random = parts.random;
  }

  make(
    what: { readonly name: string; readonly zone: number },
    at: Omit<Invitation, 'secret'>,
  ): string {
    const secret = randomHex(this.random, 24);
    const untilUs = this.clock.nowUs() + lifeUs;
    const others = this.all().filter(({ name }) => name !== what.name);
    this.save([...others, { ...what, secretHash: hashOf(secret), untilUs }]);
    return `${prefix}${Buffer.from(JSON.stringify({ ...at, secret })).toString('base64url')}`;
  }

  /** Whom the secret was made for; it is worth nothing from here on. */
  use(secret: string): { readonly name: string; readonly zone: number } | undefined {
    const tokens = this.all();
    const found = tokens.find(({ secretHash }) => secretHash === hashOf(secret));
    if (found === undefined) return undefined;
    this.save(tokens.filter((token) => token !== found));
    return found;
  }

  private all(): Token[] {
    if (!fs.existsSync(this.path)) return [];
    const document: unknown = JSON.parse(fs.readFileSync(this.path, 'utf8'));
    if (!Value.Check(Tokens, document))
      throw new Failure('corrupt', 'tokens-damaged', 'The list of join tokens cannot be read', {
        facts: { path: this.path },
      });
    const nowUs = this.clock.nowUs();
    return document.tokens.filter(({ untilUs }) => untilUs > nowUs);
  }

  private save(tokens: readonly Token[]): void {
    writePrivate(this.path, `${JSON.stringify({ version: 1, tokens })}\n`);
  }
}

// Secrets are random and long: a plain hash says nothing about them.
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

export function parseToken(token: string): Invitation {
  const bad = () => new Failure('invalid', 'bad-token', 'This is not a join token: copy it whole');
  if (!token.startsWith(prefix)) throw bad();
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(token.slice(prefix.length), 'base64url').toString());
  } catch {
    throw bad();
  }
  if (!Value.Check(Invitation, document)) throw bad();
  return document;
}
