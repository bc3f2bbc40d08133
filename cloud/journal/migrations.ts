/** The tables of the journal. A published step never changes: later ones alter. */
import { sql } from 'kysely';
import { isPostgres, type RoomMigrations } from '#cloud/state';

export type EventRow = {
  seq: number;
  /** On PostgreSQL the transaction that wrote it, elsewhere 0: see `events.ts`. */
  xid: number;
  id: string;
  type: string;
  resource_type: string | null;
  resource_id: string | null;
  project_id: string | null;
  user_id: string | null;
  request_id: string | null;
  at_us: number;
  payload: string;
};

export type AuditRow = {
  id: string;
  at_us: number;
  service: string;
  action: string;
  method: string;
  path: string;
  status: number;
  user_id: string | null;
  project_id: string | null;
  address: string;
  request_id: string;
  global_request_id: string | null;
};

export type JournalTables = { event: EventRow; audit: AuditRow };

const eventTexts = ['resource_type', 'resource_id', 'project_id', 'user_id', 'request_id'];
const auditTexts = ['service', 'action', 'method', 'path', 'address', 'request_id'];

export const journalMigrations: RoomMigrations = {
  room: 'journal',
  steps: [
    {
      number: 1,
      name: 'events and audit',
      apply: async (transaction) => {
        const { schema } = transaction;
        const postgres = isPostgres(transaction);
        let events = schema
          .createTable('event')
          .addColumn('seq', postgres ? 'bigserial' : 'integer', (column) =>
            postgres ? column.primaryKey() : column.primaryKey().autoIncrement(),
          )
          .addColumn('xid', 'bigint', (column) =>
            column.notNull().defaultTo(postgres ? sql`(pg_current_xact_id()::text::bigint)` : 0),
          )
          .addColumn('id', 'text', (column) => column.notNull())
          .addColumn('type', 'text', (column) => column.notNull());
        for (const name of eventTexts) events = events.addColumn(name, 'text');
        await events
          .addColumn('at_us', 'bigint', (column) => column.notNull())
          .addColumn('payload', 'text', (column) => column.notNull())
          .execute();
        let audit = schema
          .createTable('audit')
          .addColumn('id', 'text', (column) => column.primaryKey())
          .addColumn('at_us', 'bigint', (column) => column.notNull())
          .addColumn('status', 'integer', (column) => column.notNull());
        for (const name of auditTexts)
          audit = audit.addColumn(name, 'text', (column) => column.notNull());
        for (const name of ['user_id', 'project_id', 'global_request_id'])
          audit = audit.addColumn(name, 'text');
        await audit.execute();
        for (const [table, columns] of [
          ['event', ['xid', 'seq']],
          ['event', ['project_id', 'xid', 'seq']],
          ['event', ['at_us']],
          ['audit', ['at_us', 'id']],
          ['audit', ['user_id', 'at_us']],
          ['audit', ['project_id', 'at_us']],
        ] as const)
          await schema
            .createIndex(`${table}_by_${columns.join('_')}`)
            .on(table)
            .columns([...columns])
            .execute();
      },
    },
  ],
};
