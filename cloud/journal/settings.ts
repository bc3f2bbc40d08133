/** Settings of the journal. */
import { declareSettings, type SettingsOf } from '#common';

export const journalSettings = declareSettings({
  eventsKeepDays: {
    type: 'integer',
    default: 14,
    min: 1,
    max: 3_650,
    about: 'How long events can be read.',
  },
  auditKeepDays: {
    type: 'integer',
    default: 365,
    min: 1,
    max: 36_500,
    about: 'How long the audit trail is kept.',
  },
  auditFlushMs: {
    type: 'integer',
    default: 100,
    min: 1,
    max: 60_000,
    about: 'Audit records of so long are written together; a crash may lose them.',
  },
  auditWaitingMax: {
    type: 'integer',
    default: 10_000,
    min: 100,
    max: 1_000_000,
    about: 'Audit records that may wait for the database; more go to the log only.',
  },
});

export type JournalSettings = SettingsOf<typeof journalSettings>;
