/** A small room of its own, for tests of the state. */
import type { RoomMigrations } from '../index.ts';

export type Tables = {
  fruit: { id: string; name: string; amount: number; basket: string | null };
};

export const fruits: RoomMigrations = {
  room: 'fruit',
  steps: [
    {
      number: 1,
      name: 'fruit',
      apply: async (transaction) => {
        await transaction.schema
          .createTable('fruit')
          .addColumn('id', 'text', (column) => column.primaryKey())
          .addColumn('name', 'text', (column) => column.notNull().unique())
          .addColumn('amount', 'integer', (column) => column.notNull())
          .addColumn('basket', 'text', (column) => column.references('fruit.id'))
          .execute();
      },
    },
  ],
};

export const rowOf = (id: string, amount = 1) => ({
  id,
  name: `name of ${id}`,
  amount,
  basket: null,
});
