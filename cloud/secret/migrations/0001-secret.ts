/** The first tables. A published step never changes: later ones alter. */
import type { CreateTableBuilder, Transaction } from 'kysely';

type Db = Transaction<unknown>;
type Table = CreateTableBuilder<string, string>;

const times = ['created_at_us', 'updated_at_us'];
const owned = ['id', 'project_id', 'creator_id'];

/** Text columns, then numbers; they must have a value unless marked `?`. */
function table(db: Db, name: string, texts: readonly string[], numbers: readonly string[] = []) {
  let made: Table = db.schema.createTable(name);
  const add = (column: string, type: 'text' | 'bigint') => {
    made = column.endsWith('?')
      ? made.addColumn(column.slice(0, -1), type)
      : made.addColumn(column, type, (definition) => definition.notNull());
  };
  for (const column of texts) add(column, 'text');
  for (const column of numbers) add(column, 'bigint');
  return made;
}

async function index(db: Db, on: string, ...names: string[]): Promise<void> {
  await db.schema
    .createIndex(`${on}_by_${names.join('_')}`)
    .on(on)
    .columns(names)
    .execute();
}

export async function createSecretTables(db: Db): Promise<void> {
  await createSecrets(db);
  await createContainers(db);
  await table(
    db,
    'secret_order',
    [...owned, 'type', 'meta_json', 'secret_id?', 'container_id?', 'failure?'],
    times,
  )
    .addPrimaryKeyConstraint('secret_order_pk', ['id'])
    .execute();
  await index(db, 'secret_order', 'project_id', 'created_at_us');
  await table(db, 'secret_store', ['id', 'name'], ['created_at_us'])
    .addPrimaryKeyConstraint('secret_store_pk', ['id'])
    .addUniqueConstraint('secret_store_name', ['name'])
    .execute();
  await table(db, 'secret_preferred_store', ['project_id', 'store_id'])
    .addPrimaryKeyConstraint('secret_preferred_store_pk', ['project_id'])
    .execute();
}

async function createSecrets(db: Db): Promise<void> {
  await table(
    db,
    'secret',
    [
      ...[...owned, 'name?', 'secret_type', 'algorithm?', 'mode?'],
      ...['content_type?', 'payload?', 'sealed_key?'],
    ],
    ['bit_length?', 'expires_at_us?', ...times],
  )
    .addPrimaryKeyConstraint('secret_pk', ['id'])
    .execute();
  await index(db, 'secret', 'project_id', 'created_at_us');
  await table(db, 'secret_metadatum', ['secret_id', 'name', 'value'])
    .addPrimaryKeyConstraint('secret_metadatum_pk', ['secret_id', 'name'])
    .addForeignKeyConstraint('secret_metadatum_secret', ['secret_id'], 'secret', ['id'], (key) =>
      key.onDelete('cascade'),
    )
    .execute();
  await table(
    db,
    'secret_acl',
    ['owner_id', 'operation', 'users_json'],
    ['project_access', ...times],
  )
    .addPrimaryKeyConstraint('secret_acl_pk', ['owner_id', 'operation'])
    .execute();
  await table(
    db,
    'secret_consumer',
    ['id', 'owner_id', 'project_id', 'name', 'kind', 'target'],
    times,
  )
    .addPrimaryKeyConstraint('secret_consumer_pk', ['id'])
    .addUniqueConstraint('secret_consumer_once', ['owner_id', 'name', 'kind', 'target'])
    .execute();
}

async function createContainers(db: Db): Promise<void> {
  await table(db, 'secret_container', [...owned, 'name?', 'type'], times)
    .addPrimaryKeyConstraint('secret_container_pk', ['id'])
    .execute();
  await index(db, 'secret_container', 'project_id', 'created_at_us');
  await table(db, 'secret_container_member', ['container_id', 'secret_id', 'name'])
    .addPrimaryKeyConstraint('secret_container_member_pk', ['container_id', 'secret_id', 'name'])
    .addForeignKeyConstraint(
      'secret_container_member_container',
      ['container_id'],
      'secret_container',
      ['id'],
      (key) => key.onDelete('cascade'),
    )
    .execute();
}
