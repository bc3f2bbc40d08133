/** Keystone's user options, and what they mean. */
import Type from 'typebox';
import type { IdentityCore } from '../../core.ts';
import type { UserRow } from '../../tables.ts';
import { nullable, parseExtra } from '../fields.ts';

const flag = Type.Optional(nullable(Type.Boolean()));
const method = Type.String({ minLength: 1, maxLength: 64 });
const rule = Type.Array(method, { minItems: 1, maxItems: 16, uniqueItems: true });

export const userOptions = Type.Object(
  {
    ignore_change_password_upon_first_use: flag,
    ignore_password_expiry: flag,
    ignore_lockout_failure_attempts: flag,
    ignore_user_inactivity: flag,
    lock_password: flag,
    multi_factor_auth_enabled: flag,
    multi_factor_auth_rules: Type.Optional(
      nullable(Type.Array(rule, { maxItems: 16, uniqueItems: true })),
    ),
  },
  { additionalProperties: false },
);

type FlagName = Exclude<keyof Type.Static<typeof userOptions>, 'multi_factor_auth_rules'>;

export const hasOption = (user: Pick<UserRow, 'options'>, name: FlagName): boolean =>
  parseExtra(user.options)[name] === true;

/** The sets of methods of which one must be complete; none for a user without further factors. */
export function factorRulesOf(user: Pick<UserRow, 'options'>): readonly (readonly string[])[] {
  const options = parseExtra(user.options);
  if (options.multi_factor_auth_enabled === false) return [];
  const rules = options.multi_factor_auth_rules;
  if (!Array.isArray(rules)) return [];
  return rules.map((one) =>
    Array.isArray(one) ? one.filter((entry) => typeof entry === 'string') : [],
  );
}

const dayUs = 86_400 * 1e6;

/** Who has not logged in for long enough counts as disabled. */
export function isInactive(core: IdentityCore, user: UserRow): boolean {
  const { inactiveDaysMax } = core.settings;
  if (inactiveDaysMax === 0 || hasOption(user, 'ignore_user_inactivity')) return false;
  const lastUs = user.last_active_at_us ?? user.created_at_us;
  const today = Math.floor(core.clock.nowUs() / dayUs);
  return today - Math.floor(lastUs / dayUs) >= inactiveDaysMax;
}
