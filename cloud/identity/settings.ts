/** Settings of identity. */
import { declareSettings, type SettingsOf } from '#common';

export const identitySettings = declareSettings({
  tokenLifetimeS: {
    type: 'integer',
    default: 14_400,
    min: 60,
    max: 604_800,
    about: 'How long a token is valid.',
  },
  tokenKeyLifetimeS: {
    type: 'integer',
    default: 2_592_000,
    min: 3_600,
    max: 31_536_000,
    about:
      'A token signing key older than this is replaced; tokens it signed stay valid until they expire.',
  },
  verifiedTokensMax: {
    type: 'integer',
    default: 10_000,
    min: 0,
    max: 1_000_000,
    about: 'Tokens whose signature need not be checked again (about 1 KiB each).',
  },
  contextsMax: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about:
      'Users in a scope, and S3 keys, whose names and roles are remembered until anything changes.',
  },
  followMs: {
    type: 'integer',
    default: 500,
    min: 50,
    max: 60_000,
    about: 'How often this process looks whether another one changed users, roles or revocations.',
  },
  passwordCostLog2: {
    type: 'integer',
    default: 15,
    min: 10,
    max: 20,
    about: 'scrypt cost of new password hashes as a power of two; 15 takes 32 MiB and some 0.1 s.',
  },
  passwordsInFlightMax: {
    type: 'integer',
    default: 2,
    min: 1,
    max: 64,
    about: 'Passwords hashed at once, each on a thread of its own.',
  },
  passwordsWaitingMax: {
    type: 'integer',
    default: 256,
    min: 0,
    max: 100_000,
    about: 'Log-ins that may wait for those; one more is answered busy.',
  },
  lockoutFailuresMax: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 1_000,
    about: 'Wrong passwords in a row after which a user is locked out for a while; 0 never locks.',
  },
  lockoutDurationS: {
    type: 'integer',
    default: 300,
    min: 1,
    max: 86_400,
    about: 'How long a locked-out user stays so.',
  },
  passwordRegex: {
    type: 'text',
    default: '',
    about: 'What a new password must match (a JavaScript expression); empty for anything.',
  },
  passwordRegexDescription: {
    type: 'text',
    default: '',
    about: 'The same in words, for whoever chose another one.',
  },
  passwordExpiresDays: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 36_500,
    about: 'Days after which a password must be changed; 0 for never.',
  },
  passwordMinimumAgeDays: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 3_650,
    about: 'Days that a user keeps a password of their own choice.',
  },
  passwordsUniqueLast: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 100,
    about: 'How many of the last passwords a user may not choose again; 0 for none.',
  },
  passwordChangeOnFirstUse: {
    type: 'switch',
    default: false,
    about: 'Whether a password that an administrator set must be changed before it opens anything.',
  },
  inactiveDaysMax: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 36_500,
    about: 'Days without a log-in after which a user counts as disabled; 0 for never.',
  },
  totpWindowsBefore: {
    type: 'integer',
    default: 1,
    min: 0,
    max: 10,
    about: 'How many 30 s windows a one-time passcode may be late.',
  },
  receiptLifetimeS: {
    type: 'integer',
    default: 300,
    min: 10,
    max: 86_400,
    about: 'How long the receipt of a first factor waits for the others.',
  },
  allowExpiredS: {
    type: 'integer',
    default: 172_800,
    min: 0,
    max: 31_536_000,
    about:
      'How long after its end a token can be validated by a service that asks for `allow_expired`.',
  },
  redelegationsMax: {
    type: 'integer',
    default: 3,
    min: 0,
    max: 100,
    about: 'How often a trust may be handed on.',
  },
  federationAudience: {
    type: 'text',
    default: '',
    about:
      'What the access tokens of identity providers must be for (their `aud`); empty takes every token of theirs.',
  },
  limitModel: {
    type: 'choice',
    default: 'flat',
    choices: ['flat', 'strict_two_level'],
    about:
      'Whether a domain limits the sum of its projects (`strict_two_level`), or each limit stands alone.',
  },
  projectDepthMax: {
    type: 'integer',
    default: 5,
    min: 1,
    max: 16,
    about: 'How deeply projects nest, domains included.',
  },
  listMax: {
    type: 'integer',
    default: 1_000,
    min: 1,
    max: 10_000,
    about: 'Rows of one page of a listing.',
  },
});

export type IdentitySettings = SettingsOf<typeof identitySettings>;
