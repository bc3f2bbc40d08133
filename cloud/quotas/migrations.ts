/** The tables of quotas. A published step never changes: later ones alter. */
import type { RoomMigrations } from '#cloud/state';

export type QuotaTables = {
  /** Limits that differ from what the services declare; `scope` '' for everybody without one of their own. */
  quota_limit: { scope: string; resource: string; amount: number };
  /** Invariant: the sum of the reservations of a scope and resource. */
  quota_usage: { scope: string; resource: string; used: number };
  quota_reservation: { holder: string; resource: string; scope: string; amount: number };
};

export const quotaMigrations: RoomMigrations = {
  room: 'quotas',
  steps: [
    {
      number: 1,
      name: 'quotas',
      apply: async ({ schema }) => {
        await schema
          .createTable('quota_limit')
          .addColumn('scope', 'text', (column) => column.notNull())
          .addColumn('resource', 'text', (column) => column.notNull())
          .addColumn('amount', 'bigint', (column) => column.notNull())
          .addPrimaryKeyConstraint('quota_limit_pk', ['scope', 'resource'])
          .execute();
        await schema
          .createTable('quota_usage')
          .addColumn('scope', 'text', (column) => column.notNull())
          .addColumn('resource', 'text', (column) => column.notNull())
          .addColumn('used', 'bigint', (column) => column.notNull())
          .addPrimaryKeyConstraint('quota_usage_pk', ['scope', 'resource'])
          .execute();
        await schema
          .createTable('quota_reservation')
          .addColumn('holder', 'text', (column) => column.notNull())
          .addColumn('resource', 'text', (column) => column.notNull())
          .addColumn('scope', 'text', (column) => column.notNull())
          .addColumn('amount', 'bigint', (column) => column.notNull())
          .addPrimaryKeyConstraint('quota_reservation_pk', ['holder', 'resource'])
          .execute();
        await schema
          .createIndex('quota_reservation_by_scope')
          .on('quota_reservation')
          .columns(['scope', 'resource'])
          .execute();
      },
    },
  ],
};
