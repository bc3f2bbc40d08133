/**
 * From proofs of identity to a token. Every refusal is the same 401 in the same time: nobody learns from it whether the
 * user, the domain or the project exists, or which of them was wrong.
 */
import { timingSafeEqual } from 'node:crypto';
import { messageOf } from '#common';
import type { IdentityCore } from './core.ts';
import { identityFailure } from './failures.ts';
import type { PasswordRow, UserRow } from './tables.ts';
import type { TokenScope } from './tokens/claims.ts';
import type { TokenInfo, Tokens } from './tokens/tokens.ts';

/** By id, or by name; a project or user by name also names its domain. */
export interface DomainReference {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}
export interface Reference extends DomainReference {
  readonly domain?: DomainReference | undefined;
}

export type Proof =
  | { readonly method: 'password'; readonly user: Reference; readonly password: string }
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
  | { readonly kind: 'system' };

export interface Issued {
  readonly token: string;
  readonly info: TokenInfo;
}

interface Proven {
  readonly userId: string;
  readonly methods: readonly string[];
  readonly parent: TokenInfo | undefined;
  readonly applicationCredential: { readonly id: string; readonly projectId: string } | undefined;
}

export class Authenticator {
  private readonly core: IdentityCore;
  private readonly tokens: Tokens;

  constructor(core: IdentityCore, tokens: Tokens) {
    this.core = core;
    this.tokens = tokens;
  }

  async authenticate(proofs: readonly Proof[], wanted: WantedScope): Promise<Issued> {
    const proven: Proven[] = [];
    for (const proof of proofs) proven.push(await this.prove(proof));
    const [first] = proven;
    // Several proofs must be of one user.
    if (first === undefined || proven.some((other) => other.userId !== first.userId))
      throw refused();
    const methods = [...new Set(proven.flatMap((other) => other.methods))];
    const issued = await this.issue({ ...merged(proven), userId: first.userId, methods }, wanted);
    if (issued === undefined) throw refused();
    return issued;
  }

  private async issue(proven: Proven, wanted: WantedScope): Promise<Issued | undefined> {
    const scope = await this.scopeOf(proven, wanted);
    if (scope === undefined) return undefined;
    const request = {
      userId: proven.userId,
      methods: proven.methods,
      ...(proven.parent === undefined ? {} : { parent: proven.parent }),
      ...(proven.applicationCredential === undefined
        ? {}
        : { applicationCredentialId: proven.applicationCredential.id }),
    };
    const issued = await this.tokens.issue({ ...request, scope });
    if (issued !== undefined || wanted.kind !== 'default') return issued;
    // A default project that has become unusable is no reason to keep somebody out.
    return this.tokens.issue({ ...request, scope: { kind: 'unscoped' } });
  }

  private async scopeOf(proven: Proven, wanted: WantedScope): Promise<TokenScope | undefined> {
    const credential = proven.applicationCredential;
    if (credential !== undefined) {
      // The credential is its scope; asking for the same project is fine, for anything else is not.
      const asked = wanted.kind === 'project' ? await this.findProject(wanted.project) : undefined;
      const fits = wanted.kind === 'default' || asked === credential.projectId;
      return fits ? { kind: 'project', projectId: credential.projectId } : undefined;
    }
    switch (wanted.kind) {
      case 'unscoped':
      case 'system':
        return wanted;
      case 'default':
        return this.defaultScopeOf(proven.userId);
      case 'domain': {
        const domainId = await this.findDomain(wanted.domain);
        return domainId === undefined ? undefined : { kind: 'domain', domainId };
      }
      case 'project': {
        const projectId = await this.findProject(wanted.project);
        return projectId === undefined ? undefined : { kind: 'project', projectId };
      }
    }
  }

  private async defaultScopeOf(userId: string): Promise<TokenScope> {
    const user = await this.core.db
      .selectFrom('identity_user')
      .select('default_project_id')
      .where('id', '=', userId)
      .executeTakeFirst();
    const projectId = user?.default_project_id ?? null;
    return projectId === null ? { kind: 'unscoped' } : { kind: 'project', projectId };
  }

  private prove(proof: Proof): Promise<Proven> {
    switch (proof.method) {
      case 'password':
        return this.provePassword(proof.user, proof.password);
      case 'token':
        return this.proveToken(proof.token);
      case 'application_credential':
        return this.proveApplicationCredential(proof);
    }
  }

  /** The user's id, when this is the user's password. */
  async provePassword(reference: Reference, password: string): Promise<Proven> {
    const user = await this.findUser(reference);
    const stored = user === undefined ? undefined : await this.passwordOf(user.id);
    const locked = user !== undefined && this.isLocked(user);
    const right = await this.core.passwords.verify(password, locked ? undefined : stored?.hash);
    if (user === undefined || stored === undefined) throw refused();
    if (!right) {
      if (!locked) await this.countFailure(user);
      throw refused();
    }
    if (user.failed_count > 0) await this.forgetFailures(user);
    if (user.enabled === 0) throw refused();
    if (stored.expires_at_us !== null && stored.expires_at_us <= this.core.clock.nowUs())
      throw identityFailure('password-expired', { user: user.id });
    await this.renewDated(stored, password);
    return {
      userId: user.id,
      methods: ['password'],
      parent: undefined,
      applicationCredential: undefined,
    };
  }

  private async proveToken(token: string): Promise<Proven> {
    const info = await this.tokens.validate(token);
    // A token from an application credential must not become one without its limits.
    if (info === undefined || info.applicationCredential !== undefined) throw refused();
    return {
      userId: info.user.id,
      methods: [...info.methods, 'token'],
      parent: info,
      applicationCredential: undefined,
    };
  }

  private async proveApplicationCredential(
    proof: Extract<Proof, { method: 'application_credential' }>,
  ): Promise<Proven> {
    const { id, name } = proof.credential;
    const user = proof.user === undefined ? undefined : await this.findUser(proof.user);
    let query = this.core.db.selectFrom('identity_application_credential').selectAll();
    if (id !== undefined) query = query.where('id', '=', id);
    else query = query.where('name', '=', name ?? '').where('user_id', '=', user?.id ?? '');
    const row = await query.executeTakeFirst();
    const right = await this.core.passwords.verify(proof.secret, row?.secret_hash);
    if (row === undefined || !right) throw refused();
    return {
      userId: row.user_id,
      methods: ['application_credential'],
      parent: undefined,
      applicationCredential: { id: row.id, projectId: row.project_id },
    };
  }

  async findUser(reference: Reference): Promise<UserRow | undefined> {
    const query = this.core.db.selectFrom('identity_user').selectAll();
    if (reference.id !== undefined) return query.where('id', '=', reference.id).executeTakeFirst();
    if (reference.name === undefined || reference.domain === undefined) return undefined;
    const domainId = await this.findDomain(reference.domain);
    if (domainId === undefined) return undefined;
    return query
      .where('domain_id', '=', domainId)
      .where('name', '=', reference.name)
      .executeTakeFirst();
  }

  async findDomain(reference: DomainReference): Promise<string | undefined> {
    const query = this.core.db
      .selectFrom('identity_project')
      .select('id')
      .where('is_domain', '=', 1);
    const { id, name } = reference;
    if (id !== undefined) return (await query.where('id', '=', id).executeTakeFirst())?.id;
    if (name === undefined) return undefined;
    return (await query.where('name', '=', name).executeTakeFirst())?.id;
  }

  async findProject(reference: Reference): Promise<string | undefined> {
    const query = this.core.db.selectFrom('identity_project').select('id');
    const { id, name, domain } = reference;
    if (id !== undefined) return (await query.where('id', '=', id).executeTakeFirst())?.id;
    if (name === undefined || domain === undefined) return undefined;
    const domainId = await this.findDomain(domain);
    if (domainId === undefined) return undefined;
    const found = await query
      .where('domain_id', '=', domainId)
      .where('name', '=', name)
      .executeTakeFirst();
    return found?.id;
  }

  private passwordOf(userId: string): Promise<PasswordRow | undefined> {
    return this.core.db
      .selectFrom('identity_password')
      .selectAll()
      .where('user_id', '=', userId)
      .orderBy('created_at_us', 'desc')
      .executeTakeFirst();
  }

  private isLocked(user: UserRow): boolean {
    const { lockoutFailuresMax, lockoutDurationS } = this.core.settings;
    if (lockoutFailuresMax === 0 || user.failed_count < lockoutFailuresMax) return false;
    const sinceUs = this.core.clock.nowUs() - (user.failed_at_us ?? 0);
    return sinceUs < lockoutDurationS * 1e6;
  }

  private async countFailure(user: UserRow): Promise<void> {
    // Nobody looks at the count while nothing is ever locked; then a guess must not cost a write.
    if (this.core.settings.lockoutFailuresMax === 0) return;
    await this.core.db
      .updateTable('identity_user')
      .set((set) => ({
        failed_count: set('failed_count', '+', 1),
        failed_at_us: this.core.clock.nowUs(),
      }))
      .where('id', '=', user.id)
      .execute();
  }

  private async forgetFailures(user: UserRow): Promise<void> {
    await this.core.db
      .updateTable('identity_user')
      .set({ failed_count: 0, failed_at_us: null })
      .where('id', '=', user.id)
      .execute();
  }

  /** A hash of an older cost is replaced while the password is at hand. */
  private async renewDated(stored: PasswordRow, password: string): Promise<void> {
    if (!this.core.passwords.isDated(stored.hash)) return;
    try {
      const hash = await this.core.passwords.hash(password);
      await this.core.db
        .updateTable('identity_password')
        .set({ hash })
        .where('id', '=', stored.id)
        .where('hash', '=', stored.hash)
        .execute();
    } catch (error) {
      // The log-in itself succeeded, and the old hash still serves; the next log-in tries again.
      this.core.log.warn({ reason: messageOf(error) }, 'a password hash could not be renewed');
    }
  }
}

const refused = () => identityFailure('unauthorized');

function merged(proven: readonly Proven[]): Pick<Proven, 'parent' | 'applicationCredential'> {
  return {
    parent: proven.find((one) => one.parent !== undefined)?.parent,
    applicationCredential: proven.find((one) => one.applicationCredential !== undefined)
      ?.applicationCredential,
  };
}

/** For secrets compared as text: as long for every wrong one of the same length. */
export function sameSecret(given: string, expected: string): boolean {
  const left = Buffer.from(given);
  const right = Buffer.from(expected);
  return left.length === right.length && timingSafeEqual(left, right);
}
