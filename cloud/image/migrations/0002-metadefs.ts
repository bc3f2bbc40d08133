/** Metadata definitions: namespaces and what is in them. */
import type { Transaction } from 'kysely';

export async function createMetadefTables({ schema }: Transaction<unknown>): Promise<void> {
  await schema
    .createTable('image_metadef_namespace')
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('namespace', 'text', (column) => column.notNull())
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('visibility', 'text', (column) => column.notNull())
    .addColumn('protected', 'bigint', (column) => column.notNull())
    .addColumn('display_name', 'text')
    .addColumn('description', 'text')
    .addColumn('created_at_us', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_us', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('image_metadef_namespace_pk', ['id'])
    .addUniqueConstraint('image_metadef_namespace_name', ['namespace'])
    .execute();
  await schema
    .createTable('image_metadef_item')
    .addColumn('namespace_id', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('created_at_us', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_us', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('image_metadef_item_pk', ['namespace_id', 'kind', 'name'])
    .addForeignKeyConstraint(
      'image_metadef_item_namespace',
      ['namespace_id'],
      'image_metadef_namespace',
      ['id'],
      (key) => key.onDelete('cascade'),
    )
    .execute();
}
