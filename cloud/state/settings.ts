/** Settings of the control plane's database. */
import { declareSettings, type SettingsOf } from '#common';

export const stateSettings = declareSettings({
  url: {
    type: 'text',
    default: '',
    pattern: /^$|^postgres(ql)?:\/\//,
    about:
      'Where the control plane keeps its state: empty for SQLite in the data folder, or a postgresql:// address (keep its password in ~/.pgpass).',
  },
  connectionsMax: {
    type: 'integer',
    default: 10,
    min: 1,
    max: 500,
    about: 'Connections to PostgreSQL of one process.',
  },
  transactionRetriesMax: {
    type: 'integer',
    default: 30,
    min: 0,
    max: 1_000,
    about:
      'How often PostgreSQL may find another transaction in the way before a request is answered busy.',
  },
  waitingMax: {
    type: 'integer',
    default: 20_000,
    min: 1,
    max: 1_000_000,
    about: 'Statements that may wait for the database; one more is answered busy.',
  },
  busyTimeoutMs: {
    type: 'integer',
    default: 5_000,
    min: 0,
    max: 60_000,
    about: 'How long a statement waits for another process that holds the SQLite file.',
  },
  transactionTimeoutMs: {
    type: 'integer',
    default: 30_000,
    min: 100,
    max: 600_000,
    about: 'A transaction that is not finished by then is rolled back.',
  },
});

export type StateSettings = SettingsOf<typeof stateSettings>;
