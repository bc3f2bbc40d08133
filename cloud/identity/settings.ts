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
