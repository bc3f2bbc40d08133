/** What happened: events for those who follow along, and the audit trail. */
export { type AuditFilter, type AuditRecord, AuditTrail } from './audit.ts';
export { type CloudEvent, type EventFilter, Events, type NewEvent } from './events.ts';
export { journalMigrations } from './migrations.ts';
export { keepJournal } from './pruning.ts';
export { type JournalSettings, journalSettings } from './settings.ts';
