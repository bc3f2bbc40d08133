/** Passwords of users as rows: setting one, remembering the last ones, and the rules a new one must keep. */
import { randomUuid } from '#common';
import type { Db, IdentityCore, Tx } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { PasswordRow, UserRow } from '../../tables.ts';
import { hasOption } from './user-options.ts';

const dayUs = 86_400 * 1e6;

/** Newest first: the first one is in force. */
export const passwordsOf = (db: Db, userId: string): Promise<PasswordRow[]> =>
  db
    .selectFrom('identity_password')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('created_at_us', 'desc')
    .execute();

/** When each user's password ends; users whose password never ends are not among them. */
export async function expiriesOf(
  db: Db,
  userIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (userIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('identity_password')
    .select(['user_id', 'expires_at_us', 'created_at_us'])
    .where('user_id', 'in', [...userIds])
    .orderBy('created_at_us', 'asc')
    .execute();
  const newest = new Map(rows.map((row) => [row.user_id, row.expires_at_us]));
  return new Map([...newest].flatMap(([id, us]) => (us === null ? [] : [[id, us] as const])));
}

/** Refuses a password that an operator's expression does not match. */
export function refuseWeak(core: IdentityCore, password: string): void {
  const { passwordRegex, passwordRegexDescription } = core.settings;
  if (passwordRegex === '' || new RegExp(`^(?:${passwordRegex})`).test(password)) return;
  throw identityFailure('password-weak', { detail: passwordRegexDescription });
}

/** What a user may not do to their own password, now or with this new one. */
export async function refuseOwnChange(
  core: IdentityCore,
  user: UserRow,
  password: string,
): Promise<void> {
  if (hasOption(user, 'lock_password')) throw identityFailure('password-locked');
  const known = await passwordsOf(core.db, user.id);
  const [current] = known;
  const { passwordMinimumAgeDays: days, passwordsUniqueLast: count } = core.settings;
  if (current?.self_service === 1) {
    const leftUs = current.created_at_us + days * dayUs - core.clock.nowUs();
    if (leftUs > 0)
      throw identityFailure('password-young', { days, left: Math.floor(leftUs / dayUs) });
  }
  for (const earlier of known.slice(0, count)) {
    if (await core.passwords.verify(password, earlier.hash))
      throw identityFailure('password-used', { count });
  }
}

/** Puts a new password in force. As many of the old ones are kept as a user may not choose again. */
export async function setPassword(
  core: IdentityCore,
  transaction: Tx,
  user: Pick<UserRow, 'id' | 'options'>,
  hash: string,
  chosenBy: 'user' | 'administrator' = 'administrator',
): Promise<void> {
  const nowUs = core.clock.nowUs();
  const known = await passwordsOf(transaction, user.id);
  const dropped = known.slice(core.settings.passwordsUniqueLast).map((row) => row.id);
  if (dropped.length > 0)
    await transaction.deleteFrom('identity_password').where('id', 'in', dropped).execute();
  await transaction
    .insertInto('identity_password')
    .values({
      id: randomUuid(core.random),
      user_id: user.id,
      hash,
      // The newest is the one in force, so two in one microsecond must still follow each other.
      created_at_us: Math.max(nowUs, (known[0]?.created_at_us ?? 0) + 1),
      expires_at_us: expiryOf(core, user, chosenBy, nowUs),
      self_service: chosenBy === 'user' ? 1 : 0,
    })
    .execute();
}

function expiryOf(
  core: IdentityCore,
  user: Pick<UserRow, 'options'>,
  chosenBy: 'user' | 'administrator',
  nowUs: number,
): number | null {
  const { passwordChangeOnFirstUse, passwordExpiresDays: days } = core.settings;
  const mustChange =
    chosenBy === 'administrator' &&
    passwordChangeOnFirstUse &&
    !hasOption(user, 'ignore_change_password_upon_first_use');
  if (mustChange) return nowUs;
  if (days === 0 || hasOption(user, 'ignore_password_expiry')) return null;
  return Math.floor((nowUs + days * dayUs) / 1e6) * 1e6;
}
