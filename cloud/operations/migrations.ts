/** The tables of operations. A published step never changes: later ones alter. */
import type { RoomMigrations } from '#cloud/state';

const text = ['project_id', 'user_id', 'request_id', 'resource_type', 'resource_id', 'parent_id'];

export const operationMigrations: RoomMigrations = {
  room: 'operations',
  steps: [
    {
      number: 1,
      name: 'operations',
      apply: async (transaction) => {
        let table = transaction.schema
          .createTable('operation')
          .addColumn('id', 'text', (column) => column.primaryKey())
          .addColumn('workflow', 'text', (column) => column.notNull())
          .addColumn('state', 'text', (column) => column.notNull());
        for (const name of text) table = table.addColumn(name, 'text');
        await table
          .addColumn('input', 'text', (column) => column.notNull())
          .addColumn('memory', 'text', (column) => column.notNull())
          .addColumn('step', 'integer', (column) => column.notNull())
          .addColumn('step_name', 'text', (column) => column.notNull())
          .addColumn('step_count', 'integer', (column) => column.notNull())
          .addColumn('attempts', 'integer', (column) => column.notNull())
          .addColumn('starts', 'integer', (column) => column.notNull())
          .addColumn('progress_done', 'bigint')
          .addColumn('progress_total', 'bigint')
          .addColumn('progress_unit', 'text')
          .addColumn('owner', 'text')
          .addColumn('lease_epoch', 'bigint', (column) => column.notNull())
          .addColumn('lease_until_us', 'bigint', (column) => column.notNull())
          .addColumn('cancel_asked', 'integer', (column) => column.notNull())
          .addColumn('undoing', 'integer', (column) => column.notNull())
          .addColumn('error', 'text')
          .addColumn('due_at_us', 'bigint', (column) => column.notNull())
          .addColumn('created_at_us', 'bigint', (column) => column.notNull())
          .addColumn('updated_at_us', 'bigint', (column) => column.notNull())
          .addColumn('ended_at_us', 'bigint')
          .execute();
        for (const columns of [
          ['ended_at_us', 'due_at_us'],
          ['project_id', 'created_at_us'],
          ['resource_type', 'resource_id'],
          ['parent_id'],
        ]) {
          await transaction.schema
            .createIndex(`operation_by_${columns.join('_')}`)
            .on('operation')
            .columns(columns)
            .execute();
        }
        await transaction.schema
          .createTable('operation_step')
          .addColumn('operation_id', 'text', (column) =>
            column.notNull().references('operation.id').onDelete('cascade'),
          )
          .addColumn('number', 'integer', (column) => column.notNull())
          .addColumn('name', 'text', (column) => column.notNull())
          .addColumn('state', 'text', (column) => column.notNull())
          .addColumn('attempts', 'integer', (column) => column.notNull())
          .addColumn('started_at_us', 'bigint', (column) => column.notNull())
          .addColumn('ended_at_us', 'bigint')
          .addColumn('error', 'text')
          .addPrimaryKeyConstraint('operation_step_pk', ['operation_id', 'number'])
          .execute();
      },
    },
  ],
};
