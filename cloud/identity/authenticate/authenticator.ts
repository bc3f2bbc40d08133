/**
 * From proofs of identity to a token.
 *
 * 1. Every proof that a log-in names must hold, and all must be of one user.
 * 2. The methods proven, with those of a receipt, must complete one of the user's rules; else a receipt is given.
 * 3. The scope asked for must be the user's: a role there, or a trust.
 *
 * Every refusal is the same 401 in the same time: nobody learns from it whether the user, the domain or the project
 * exists, or which of them was wrong.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IdentityCore } from '../core.ts';
import type { Directories } from '../directory/directories.ts';
import { identityFailure } from '../failures.ts';
import { factorRulesOf } from '../resources/actors/user-options.ts';
import { users } from '../resources/actors/users.ts';
import { secretOf } from '../resources/credentials/credentials.ts';
import { consumeTrust, findUsableTrust } from '../resources/roles/trust-rows.ts';
import type { UserRow } from '../tables.ts';
import type { FederatedClaims, TokenScope } from '../tokens/claims.ts';
import type { TokenInfo, Tokens } from '../tokens/tokens.ts';
import { PasswordProofs } from './passwords.ts';
import { openReceipt, type Receipt, sealReceipt } from './receipts.ts';
import {
  type DomainReference,
  findDomainBy,
  findProjectBy,
  findUserBy,
  type Reference,
} from './references.ts';
import { decodeBase32, passcodesNow } from './totp.ts';

export type { DomainReference, Reference } from './references.ts';

export type Proof =
  | { readonly method: 'password'; readonly user: Reference; readonly password: string }
  | { readonly method: 'totp'; readonly user: Reference; readonly passcode: string }
  | { readonly method: 'token'; readonly token: string }
  | {
      readonly method: 'application_credential';
      readonly credential: { readonly id?: string | undefined; readonly name?: string | undefined };
      readonly user: Reference | undefined;
      readonly secret: string;
    };

export type WantedScope =
  /** Not said: the user's default project when it has one and may use it. */
  | { readonly kind: 'default' }
  | { readonly kind: 'unscoped' }
  | { readonly kind: 'project'; readonly project: Reference }
  | { readonly kind: 'domain'; readonly domain: DomainReference }
  | { readonly kind: 'system' }
  | { readonly kind: 'trust'; readonly trustId: string };

export interface Issued {
  readonly token: string;
  readonly info: TokenInfo;
}

/** The factors so far are right, and not enough. */
export interface Receipted {
  readonly text: string;
  readonly receipt: Receipt;
  readonly user: UserRow;
  readonly required: readonly (readonly string[])[];
}

/** What one proof gave. */
export interface Proven {
  readonly userId: string;
  readonly methods: readonly string[];
  readonly parent?: TokenInfo;
  readonly applicationCredential?: { readonly id: string; readonly projectId: string };
  readonly federated?: FederatedClaims;
}

/** The methods a log-in may name. */
export const authMethods = [
  'password',
  'token',
  'totp',
  'application_credential',
  'mapped',
  'oauth1',
] as const;

export class Authenticator {
  private readonly core: IdentityCore;
  private readonly tokens: Tokens;
  private readonly passwords: PasswordProofs;

  constructor(core: IdentityCore, tokens: Tokens, directories: Directories) {
    this.core = core;
    this.tokens = tokens;
    this.passwords = new PasswordProofs(core, directories);
  }

  /** As `authenticate`, for clients that know of no further factors: those are refused. */
  async logIn(proofs: readonly Proof[], wanted: WantedScope): Promise<Issued> {
    const result = await this.authenticate(proofs, wanted);
    if ('receipt' in result) throw refused();
    return result;
  }

  async authenticate(
    proofs: readonly Proof[],
    wanted: WantedScope,
    receiptText?: string,
  ): Promise<Issued | Receipted> {
    const proven: Proven[] = [];
    for (const proof of proofs) proven.push(await this.prove(proof, wanted));
    const [first] = proven;
    // Several proofs must be of one user.
    if (first === undefined || proven.some((other) => other.userId !== first.userId))
      throw refused();
    const receipt = receiptText === undefined ? undefined : openReceipt(this.core, receiptText);
    if (receiptText !== undefined && receipt?.userId !== first.userId)
      throw identityFailure('receipt-missing');
    const methods = [
      ...new Set([...proven.flatMap((other) => other.methods), ...(receipt?.methods ?? [])]),
    ];
    const user = await users.find(this.core.db, first.userId);
    if (user === undefined) throw refused();
    const required = missingFactors(user, methods);
    if (required.length > 0) return { ...sealReceipt(this.core, user.id, methods), user, required };
    if (methods.includes('password') || methods.includes('totp'))
      await this.passwords.noteSuccess(user);
    return this.issueFor({ ...merged(proven), userId: user.id, methods }, wanted);
  }

  /** A token for whoever was proven to be somebody, in the scope they want. */
  async issueFor(proven: Proven, wanted: WantedScope): Promise<Issued> {
    const issued =
      wanted.kind === 'trust'
        ? await this.issueByTrust(proven, wanted.trustId)
        : await this.issue(proven, wanted);
    if (issued === undefined) throw refused();
    return issued;
  }

  /** The user whose password this is, expired or not, for putting another in its place. */
  async proveForChange(userId: string, password: string): Promise<UserRow> {
    const user = await this.passwords.prove({ id: userId }, password, 'change it');
    if (missingFactors(user, ['password']).length === 0) await this.passwords.noteSuccess(user);
    return user;
  }

  private async issue(proven: Proven, wanted: WantedScope): Promise<Issued | undefined> {
    const scope = await this.scopeOf(proven, wanted);
    if (scope === undefined) return undefined;
    const { applicationCredential, ...rest } = proven;
    const request = {
      ...rest,
      ...(applicationCredential === undefined
        ? {}
        : { applicationCredentialId: applicationCredential.id }),
    };
    const issued = await this.tokens.issue({ ...request, scope });
    if (issued !== undefined || wanted.kind !== 'default') return issued;
    // A default project that has become unusable is no reason to keep somebody out.
    if (applicationCredential !== undefined) return undefined;
    return this.tokens.issue({ ...request, scope: { kind: 'unscoped' } });
  }

  /** Only the trustee gets a token by a trust; whoever else asks learns nothing of it. */
  private async issueByTrust(proven: Proven, trustId: string): Promise<Issued | undefined> {
    const trust = await findUsableTrust(this.core, this.core.db, trustId);
    if (trust === undefined || trust.trustee_user_id !== proven.userId) return undefined;
    if (proven.applicationCredential !== undefined) return undefined;
    const issued = await this.tokens.issue({
      ...proven,
      userId: trust.impersonation === 1 ? trust.trustor_user_id : trust.trustee_user_id,
      scope:
        trust.project_id === null
          ? { kind: 'unscoped' }
          : { kind: 'project', projectId: trust.project_id },
      trustId,
    });
    if (issued === undefined) return undefined;
    if (!(await consumeTrust(this.core, trustId)))
      throw identityFailure('forbidden', { why: `No remaining uses for trust: ${trustId}.` });
    return issued;
  }

  private async scopeOf(proven: Proven, wanted: WantedScope): Promise<TokenScope | undefined> {
    const { db } = this.core;
    const credential = proven.applicationCredential;
    if (credential !== undefined) {
      // The credential is its scope; asking for the same project is fine, for anything else is not.
      const asked = wanted.kind === 'project' ? await findProjectBy(db, wanted.project) : undefined;
      const fits = wanted.kind === 'default' || asked === credential.projectId;
      return fits ? { kind: 'project', projectId: credential.projectId } : undefined;
    }
    switch (wanted.kind) {
      case 'unscoped':
      case 'system':
        return wanted;
      case 'default':
        // Whom a provider vouches for starts without a scope.
        return proven.federated === undefined
          ? this.defaultScopeOf(proven.userId)
          : { kind: 'unscoped' };
      case 'domain': {
        const domainId = await findDomainBy(db, wanted.domain);
        return domainId === undefined ? undefined : { kind: 'domain', domainId };
      }
      case 'project': {
        const projectId = await findProjectBy(db, wanted.project);
        return projectId === undefined ? undefined : { kind: 'project', projectId };
      }
      case 'trust':
        return undefined;
    }
  }

  private async defaultScopeOf(userId: string): Promise<TokenScope> {
    const projectId = (await users.find(this.core.db, userId))?.default_project_id ?? null;
    return projectId === null ? { kind: 'unscoped' } : { kind: 'project', projectId };
  }

  private async prove(proof: Proof, wanted: WantedScope): Promise<Proven> {
    switch (proof.method) {
      case 'password': {
        const user = await this.passwords.prove(proof.user, proof.password);
        return { userId: user.id, methods: ['password'] };
      }
      case 'totp':
        return this.proveTotp(proof.user, proof.passcode);
      case 'token':
        return this.proveToken(proof.token, wanted);
      case 'application_credential':
        return this.proveApplicationCredential(proof);
    }
  }

  private async proveTotp(reference: Reference, passcode: string): Promise<Proven> {
    const { db, clock, settings } = this.core;
    const user = await findUserBy(db, reference);
    // Six digits are soon guessed: failures count towards the same lock as wrong passwords.
    if (user === undefined || user.enabled === 0 || this.passwords.isLocked(user)) throw refused();
    const rows = await db
      .selectFrom('identity_credential')
      .selectAll()
      .where('user_id', '=', user.id)
      .where('type', '=', 'totp')
      .execute();
    const right = rows.some((row) => {
      const secret = decodeBase32(secretOf(this.core, row));
      if (secret === undefined) return false;
      const valid = passcodesNow(secret, clock.nowUs(), settings.totpWindowsBefore);
      return valid.some((code) => sameSecret(passcode, code));
    });
    if (!right) {
      await this.passwords.countFailure(user);
      throw refused();
    }
    return { userId: user.id, methods: ['totp'] };
  }

  private async proveToken(token: string, wanted: WantedScope): Promise<Proven> {
    const info = await this.tokens.validate(token);
    // Not a 401: upstream finds no such token, and clients that renew tell the two apart.
    if (info === undefined) throw identityFailure('token-missing');
    refuseExchange(info, wanted);
    const { federated } = info;
    return {
      userId: info.user.id,
      methods: [...new Set([...info.methods, 'token'])],
      parent: info,
      ...(federated === undefined ? {} : { federated }),
    };
  }

  private async proveApplicationCredential(
    proof: Extract<Proof, { method: 'application_credential' }>,
  ): Promise<Proven> {
    const { db } = this.core;
    const { id, name } = proof.credential;
    const user = proof.user === undefined ? undefined : await findUserBy(db, proof.user);
    let query = db.selectFrom('identity_application_credential').selectAll();
    if (id !== undefined) query = query.where('id', '=', id);
    else query = query.where('name', '=', name ?? '').where('user_id', '=', user?.id ?? '');
    const row = await query.executeTakeFirst();
    const right = await this.core.passwords.verify(proof.secret, row?.secret_hash);
    if (row === undefined || !right) throw refused();
    return {
      userId: row.user_id,
      methods: ['application_credential'],
      applicationCredential: { id: row.id, projectId: row.project_id },
    };
  }
}

const refused = () => identityFailure('unauthorized');

/** What stands for somebody else, or for less than the user, must not be exchanged for more. */
function refuseExchange(info: TokenInfo, wanted: WantedScope): void {
  const refuse = (action: string) => identityFailure('forbidden-action', { action });
  if (info.trust !== undefined)
    throw refuse(
      'Using trust-scoped token to create another token. Create a new trust-scoped token instead',
    );
  if (info.applicationCredential !== undefined || info.methods.includes('ec2credential'))
    throw refuse('Using a delegated token to create another token is not allowed.');
  if (info.scope.kind === 'system' && (wanted.kind === 'project' || wanted.kind === 'domain'))
    throw refuse(
      'Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.',
    );
}

/** The user's rules when these methods complete none of them; nothing when they suffice. */
export function missingFactors(
  user: UserRow,
  methods: readonly string[],
): readonly (readonly string[])[] {
  const known: ReadonlySet<string> = new Set(authMethods);
  const rules = factorRulesOf(user)
    // As upstream: a method that nobody can use is left out of its rule.
    .map((rule) => rule.filter((method) => known.has(method)))
    .filter((rule) => rule.length > 0);
  const met = rules.some((rule) => rule.every((method) => methods.includes(method)));
  return met ? [] : rules;
}

function merged(proven: readonly Proven[]): Omit<Proven, 'userId' | 'methods'> {
  const parent = proven.find((one) => one.parent !== undefined)?.parent;
  const applicationCredential = proven.find(
    (one) => one.applicationCredential !== undefined,
  )?.applicationCredential;
  const federated = proven.find((one) => one.federated !== undefined)?.federated;
  return {
    ...(parent === undefined ? {} : { parent }),
    ...(applicationCredential === undefined ? {} : { applicationCredential }),
    ...(federated === undefined ? {} : { federated }),
  };
}

/** For secrets compared as text: as long for every wrong one of the same length. */
export function sameSecret(given: string, expected: string): boolean {
  const left = Buffer.from(given);
  const right = Buffer.from(expected);
  return left.length === right.length && timingSafeEqual(left, right);
}
