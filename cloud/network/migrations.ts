/**
 * The network service's tables: documents, an index over some of their values, and claims.
 * A published step never changes: later ones alter.
 */
import type { Transaction } from 'kysely';
import type { RoomMigrations } from '#cloud/state';

async function createTables(db: Transaction<unknown>): Promise<void> {
  await db.schema
    .createTable('network_object')
    .addColumn('id', 'text', (column) => column.notNull().primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('project_id', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('created_at_us', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_us', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('network_object_by_kind')
    .on('network_object')
    .columns(['kind', 'project_id'])
    .execute();
  await db.schema
    .createTable('network_lookup')
    .addColumn('object_id', 'text', (column) =>
      column.notNull().references('network_object.id').onDelete('cascade'),
    )
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('network_lookup_pk', ['name', 'value', 'object_id'])
    .execute();
  await db.schema
    .createIndex('network_lookup_by_object')
    .on('network_lookup')
    .column('object_id')
    .execute();
  await db.schema
    .createTable('network_claim')
    .addColumn('scope', 'text', (column) => column.notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    // No foreign key: an address is claimed before the port that it decides about is written.
    .addColumn('object_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('network_claim_pk', ['scope', 'value'])
    .execute();
  await db.schema
    .createIndex('network_claim_by_object')
    .on('network_claim')
    .column('object_id')
    .execute();
}

export const networkMigrations: RoomMigrations = {
  room: 'network',
  steps: [{ number: 1, name: 'network', apply: createTables }],
};

export type NetworkTables = {
  network_object: {
    id: string;
    kind: string;
    project_id: string;
    /** JSON: the attributes by the API's own names. */
    document: string;
    revision: number;
    created_at_us: number;
    updated_at_us: number;
  };
  /** Values that documents are found by: `port.network_id`, `port.fixed_ip` … */
  network_lookup: { object_id: string; name: string; value: string };
  /** What only one object may have: an address of a subnet, a MAC of a network, a VLAN of a physical network. */
  network_claim: { scope: string; value: string; object_id: string };
};
