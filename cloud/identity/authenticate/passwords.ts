/** Proof by password: the hash, lockout after failures, expiry. Computed in every case, so that a refusal tells nothing. */
import { messageOf } from '#common';
import type { IdentityCore } from '../core.ts';
import type { Directories } from '../directory/directories.ts';
import type { Directory } from '../directory/directory.ts';
import { identityFailure } from '../failures.ts';
import { hasOption, isInactive } from '../resources/actors/user-options.ts';
import { passwordsOf } from '../resources/actors/user-passwords.ts';
import type { PasswordRow, UserRow } from '../tables.ts';
import { findDomainBy, findUserBy, type Reference } from './references.ts';

const dayUs = 86_400 * 1e6;

export class PasswordProofs {
  private readonly core: IdentityCore;
  private readonly directories: Directories;

  constructor(core: IdentityCore, directories: Directories) {
    this.core = core;
    this.directories = directories;
  }

  /** The user, when this is the password in force. An expired one still proves who somebody is, for changing it. */
  async prove(
    reference: Reference,
    password: string,
    purpose: 'log in' | 'change it' = 'log in',
  ): Promise<UserRow> {
    const { core } = this;
    const user = await findUserBy(core.db, reference);
    const kept = await this.keptElsewhere(user, reference);
    if (kept !== undefined)
      return this.proveElsewhere({ ...kept, user }, reference, password, purpose);
    const [stored] = user === undefined ? [] : await passwordsOf(core.db, user.id);
    const locked = user !== undefined && this.isLocked(user);
    const right = await core.passwords.verify(password, locked ? undefined : stored?.hash);
    if (user === undefined || stored === undefined) throw identityFailure('unauthorized');
    if (!right) {
      if (!locked) await this.countFailure(user);
      throw identityFailure('unauthorized');
    }
    if (user.enabled === 0 || isInactive(core, user)) throw identityFailure('unauthorized');
    if (purpose === 'log in' && this.isExpired(user, stored))
      throw identityFailure('password-expired', { user: user.id });
    await this.renewDated(stored, password);
    return user;
  }

  /** The directory that keeps the user, or would if there were one of that name. */
  private async keptElsewhere(user: UserRow | undefined, reference: Reference) {
    const domainId =
      user?.domain_id ?? (reference.domain && (await findDomainBy(this.core.db, reference.domain)));
    const directory = domainId === undefined ? undefined : await this.directories.of(domainId);
    return domainId === undefined || directory === undefined ? undefined : { domainId, directory };
  }

  private async proveElsewhere(
    where: {
      readonly domainId: string;
      readonly directory: Directory;
      readonly user: UserRow | undefined;
    },
    reference: Reference,
    password: string,
    purpose: 'log in' | 'change it',
  ): Promise<UserRow> {
    const { domainId, directory, user } = where;
    if (purpose === 'change it') await this.directories.refuseWrite(domainId);
    if (user !== undefined && this.isLocked(user)) throw identityFailure('unauthorized');
    const proven = await this.directories.prove(domainId, directory, reference, password);
    if (proven !== undefined && proven.enabled === 1) return proven;
    if (proven === undefined && user !== undefined) await this.countFailure(user);
    throw identityFailure('unauthorized');
  }

  private isExpired(user: UserRow, stored: PasswordRow): boolean {
    if (stored.expires_at_us === null || hasOption(user, 'ignore_password_expiry')) return false;
    return stored.expires_at_us <= this.core.clock.nowUs();
  }

  isLocked(user: UserRow): boolean {
    const { lockoutFailuresMax, lockoutDurationS } = this.core.settings;
    if (lockoutFailuresMax === 0 || user.failed_count < lockoutFailuresMax) return false;
    if (hasOption(user, 'ignore_lockout_failure_attempts')) return false;
    const sinceUs = this.core.clock.nowUs() - (user.failed_at_us ?? 0);
    return sinceUs < lockoutDurationS * 1e6;
  }

  async countFailure(user: UserRow): Promise<void> {
    const { lockoutFailuresMax: max } = this.core.settings;
    // Nobody looks at the count while nothing is ever locked; then a guess must not cost a write.
    if (max === 0) return;
    const over = user.failed_count >= max;
    await this.core.db
      .updateTable('identity_user')
      .set((set) => ({
        // A lock that ran out starts a new count.
        failed_count: over ? 1 : set('failed_count', '+', 1),
        failed_at_us: this.core.clock.nowUs(),
      }))
      .where('id', '=', user.id)
      .execute();
  }

  /** After all factors: else whoever has a password could forget the wrong passcodes by giving it again. */
  async noteSuccess(user: UserRow): Promise<void> {
    const nowUs = this.core.clock.nowUs();
    const today = Math.floor(nowUs / dayUs);
    const seen = Math.floor((user.last_active_at_us ?? 0) / dayUs);
    const active = this.core.settings.inactiveDaysMax > 0 && seen !== today;
    if (user.failed_count === 0 && !active) return;
    await this.core.db
      .updateTable('identity_user')
      .set({
        failed_count: 0,
        failed_at_us: null,
        ...(active ? { last_active_at_us: nowUs } : {}),
      })
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
