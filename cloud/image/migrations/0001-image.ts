/** The first tables. A published step never changes: later ones alter. */
import { type CreateTableBuilder, sql, type Transaction } from 'kysely';

type Db = Transaction<unknown>;
type Table = CreateTableBuilder<string, string>;

/** A table of text and number columns that must have a value, unless `?` marks them. */
function table(db: Db, name: string, texts: readonly string[], numbers: readonly string[] = []) {
  let made: Table = db.schema.createTable(name);
  for (const column of texts) made = addColumn(made, column, 'text');
  for (const column of numbers) made = addColumn(made, column, 'bigint');
  return made;
}

function addColumn(to: Table, column: string, type: 'text' | 'bigint'): Table {
  return column.endsWith('?')
    ? to.addColumn(column.slice(0, -1), type)
    : to.addColumn(column, type, (definition) => definition.notNull());
}

export async function createImageTables(db: Db): Promise<void> {
  await createContents(db);
  await createImages(db);
  await createParts(db);
  await createTasks(db);
}

async function createContents(db: Db): Promise<void> {
  const texts = ['id', 'state', 'md5?', 'sha512?', 'format?', 'volume_state', 'volume_id?'];
  await table(
    db,
    'image_content',
    [...texts, 'volume_reason', 'source?'],
    ['size?', 'virtual_size?', 'created_at_us'],
  )
    .addPrimaryKeyConstraint('image_content_pk', ['id'])
    .execute();
  await db.schema
    .createIndex('image_content_by_sha512')
    .unique()
    .on('image_content')
    .column('sha512')
    .where(sql<boolean>`state = 'stored'`)
    .execute();
}

async function createImages(db: Db): Promise<void> {
  await table(
    db,
    'image_image',
    [
      ...['id', 'owner?', 'name?', 'visibility', 'container_format?', 'disk_format?'],
      ...['state', 'reason', 'checksum?', 'os_hash_value?', 'content_id?', 'staged_id?'],
    ],
    [
      ...['protected', 'os_hidden', 'min_disk', 'min_ram', 'size?', 'virtual_size?'],
      ...['created_at_us', 'updated_at_us'],
    ],
  )
    .addPrimaryKeyConstraint('image_image_pk', ['id'])
    .addForeignKeyConstraint('image_image_content', ['content_id'], 'image_content', ['id'])
    .addForeignKeyConstraint('image_image_staged', ['staged_id'], 'image_content', ['id'])
    .execute();
  for (const columns of [['owner'], ['visibility'], ['created_at_us', 'id'], ['content_id']])
    await db.schema
      .createIndex(`image_image_by_${columns.join('_')}`)
      .on('image_image')
      .columns(columns)
      .execute();
}

async function createParts(db: Db): Promise<void> {
  const ofImage = (made: Table, name: string) =>
    made.addForeignKeyConstraint(`${name}_image`, ['image_id'], 'image_image', ['id'], (key) =>
      key.onDelete('cascade'),
    );
  await ofImage(table(db, 'image_property', ['image_id', 'name', 'value']), 'image_property')
    .addPrimaryKeyConstraint('image_property_pk', ['image_id', 'name'])
    .execute();
  await ofImage(table(db, 'image_tag', ['image_id', 'value']), 'image_tag')
    .addPrimaryKeyConstraint('image_tag_pk', ['image_id', 'value'])
    .execute();
  await ofImage(
    table(
      db,
      'image_member',
      ['image_id', 'member_id', 'status'],
      ['created_at_us', 'updated_at_us'],
    ),
    'image_member',
  )
    .addPrimaryKeyConstraint('image_member_pk', ['image_id', 'member_id'])
    .execute();
  await ofImage(
    table(db, 'image_transfer', ['image_id', 'kind', 'content_id', 'holder'], ['lease_until_us']),
    'image_transfer',
  )
    .addPrimaryKeyConstraint('image_transfer_pk', ['image_id'])
    .execute();
  await db.schema
    .createIndex('image_member_by_member_id')
    .on('image_member')
    .column('member_id')
    .execute();
}

async function createTasks(db: Db): Promise<void> {
  await table(
    db,
    'image_task',
    [
      ...['id', 'type', 'status', 'owner?', 'image_id?', 'user_id', 'request_id'],
      ...['input', 'result?', 'message'],
    ],
    ['created_at_us', 'updated_at_us', 'expires_at_us?'],
  )
    .addPrimaryKeyConstraint('image_task_pk', ['id'])
    .execute();
  await db.schema
    .createIndex('image_task_by_image_id')
    .on('image_task')
    .columns(['image_id', 'status'])
    .execute();
}
