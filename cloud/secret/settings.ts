/** Settings of the key manager. */
import { declareSettings, type SettingsOf } from '#common';

const limit = (default_: number, about: string) =>
  ({
    type: 'integer',
    default: default_,
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    about: `${about}; -1 is without limit.`,
  }) as const;

export const payloadBytesLimit = 65_536;

export const secretSettings = declareSettings({
  payloadBytesMax: {
    type: 'integer',
    default: 20_000,
    min: 1,
    max: payloadBytesLimit,
    about: 'The largest payload of one secret.',
  },
  limitDefault: {
    type: 'integer',
    default: 10,
    min: 1,
    max: 1_000,
    about: 'Secrets, containers, orders of a page when the client does not say.',
  },
  limitMax: { type: 'integer', default: 100, min: 1, max: 1_000, about: 'And at most.' },
  usersMax: {
    type: 'integer',
    default: 256,
    min: 1,
    max: 10_000,
    about: 'Users that one access list names.',
  },
  membersMax: {
    type: 'integer',
    default: 100,
    min: 1,
    max: 1_000,
    about: 'Secrets in one container.',
  },
  metadataMax: {
    type: 'integer',
    default: 128,
    min: 0,
    max: 10_000,
    about: 'Metadata items of one secret.',
  },
  secretsPerProject: limit(100_000, 'Secrets of a project'),
  ordersPerProject: limit(100_000, 'Orders of a project'),
  containersPerProject: limit(100_000, 'Containers of a project'),
  consumersPerProject: limit(100_000, 'Consumers of a project'),
});

export type SecretSettings = SettingsOf<typeof secretSettings>;
