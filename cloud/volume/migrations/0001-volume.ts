/** The first tables. A published step never changes: later ones alter. */
import type { CreateTableBuilder, Transaction } from 'kysely';

type Db = Transaction<unknown>;
type Table = CreateTableBuilder<string, string>;

const worked = ['operation_id?', 'operation_kind?', 'failure?'];

export async function createVolumeTables(db: Db): Promise<void> {
  await createTypes(db);
  await createGroups(db);
  await createVolumes(db);
  await createRest(db);
}

/** A table with primary key `id`; columns are text and must have a value unless marked `?` or named in `numbers`. */
function table(db: Db, name: string, texts: readonly string[], numbers: readonly string[] = []) {
  return columns(db, name, ['id', ...texts], numbers).addPrimaryKeyConstraint(`${name}_pk`, ['id']);
}

function columns(db: Db, name: string, texts: readonly string[], numbers: readonly string[]) {
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

async function createTypes(db: Db): Promise<void> {
  await table(db, 'volume_qos', ['name', 'consumer', 'specs_json'], ['created_at_us'])
    .addUniqueConstraint('volume_qos_name', ['name'])
    .execute();
  await table(
    db,
    'volume_type',
    ['name', 'description?', 'specs_json', 'qos_id?', 'encryption_json?'],
    ['is_public', 'created_at_us', 'updated_at_us'],
  )
    .addUniqueConstraint('volume_type_name', ['name'])
    .addForeignKeyConstraint('volume_type_qos', ['qos_id'], 'volume_qos', ['id'])
    .execute();
  await columns(db, 'volume_type_access', ['type_id', 'project_id'], [])
    .addPrimaryKeyConstraint('volume_type_access_pk', ['type_id', 'project_id'])
    .addForeignKeyConstraint('volume_type_access_type', ['type_id'], 'volume_type', ['id'], (on) =>
      on.onDelete('cascade'),
    )
    .execute();
  await columns(db, 'volume_default_type', ['project_id', 'type_id'], [])
    .addPrimaryKeyConstraint('volume_default_type_pk', ['project_id'])
    .addForeignKeyConstraint('volume_default_type_type', ['type_id'], 'volume_type', ['id'])
    .execute();
}

async function createGroups(db: Db): Promise<void> {
  await table(db, 'volume_group_type', ['name', 'description?', 'specs_json'], ['is_public'])
    .addUniqueConstraint('volume_group_type_name', ['name'])
    .execute();
  const owned = ['project_id', 'user_id', 'name?', 'description?', 'group_type_id'];
  await table(
    db,
    'volume_group',
    [...owned, 'type_ids_json', 'zone', 'group_snapshot_id?', 'source_group_id?', ...worked],
    ['made', 'created_at_us'],
  )
    .addForeignKeyConstraint('volume_group_type_fk', ['group_type_id'], 'volume_group_type', ['id'])
    .execute();
  await index(db, 'volume_group', 'project_id');
  await table(
    db,
    'volume_group_snapshot',
    [...owned, 'group_id', ...worked],
    ['made', 'created_at_us'],
  )
    .addForeignKeyConstraint('volume_group_snapshot_group', ['group_id'], 'volume_group', ['id'])
    .execute();
  await index(db, 'volume_group_snapshot', 'project_id');
}

async function createVolumes(db: Db): Promise<void> {
  const described = ['project_id', 'user_id', 'name?', 'description?', 'metadata_json'];
  const times = ['created_at_us', 'updated_at_us'];
  await table(
    db,
    'volume',
    [
      ...described,
      'type_id',
      'zone',
      'image_metadata_json',
      'snapshot_id?',
      'source_volid?',
      'group_id?',
      'encryption_key_id?',
      ...worked,
    ],
    ['size_gib', 'bootable', 'multiattach', 'readonly', 'made', ...times],
  )
    .addForeignKeyConstraint('volume_type_fk', ['type_id'], 'volume_type', ['id'])
    .addForeignKeyConstraint('volume_group_fk', ['group_id'], 'volume_group', ['id'])
    .execute();
  await index(db, 'volume', 'project_id', 'created_at_us');
  await index(db, 'volume', 'group_id');
  await index(db, 'volume', 'operation_id');
  await table(
    db,
    'volume_snapshot',
    [...described, 'volume_id', 'group_snapshot_id?', ...worked],
    ['size_gib', 'made', ...times],
  )
    .addForeignKeyConstraint('volume_snapshot_volume', ['volume_id'], 'volume', ['id'])
    .execute();
  await index(db, 'volume_snapshot', 'volume_id');
  await index(db, 'volume_snapshot', 'project_id', 'created_at_us');
  await table(
    db,
    'volume_attachment',
    [
      'volume_id',
      'project_id',
      'server_id?',
      'host?',
      'mountpoint?',
      'mode',
      'stage',
      'connector_json',
    ],
    ['connected', 'created_at_us', 'attached_at_us?'],
  )
    .addForeignKeyConstraint('volume_attachment_volume', ['volume_id'], 'volume', ['id'])
    .execute();
  await index(db, 'volume_attachment', 'volume_id');
  await index(db, 'volume_attachment', 'server_id');
  // A backup outlives its volume, so nothing holds it to one.
  await table(
    db,
    'volume_backup',
    [
      ...described,
      'volume_id',
      'container',
      'parent_id?',
      'snapshot_id?',
      'pin_id',
      'record_json?',
      'zone',
      ...worked,
    ],
    ['size_gib', 'made', 'data_at_us', ...times],
  ).execute();
  await index(db, 'volume_backup', 'project_id', 'created_at_us');
  await index(db, 'volume_backup', 'volume_id');
}

async function createRest(db: Db): Promise<void> {
  await table(
    db,
    'volume_transfer',
    ['volume_id', 'name?', 'salt', 'key_hash', 'source_project_id'],
    ['no_snapshots', 'created_at_us'],
  )
    .addForeignKeyConstraint('volume_transfer_volume', ['volume_id'], 'volume', ['id'])
    .addUniqueConstraint('volume_transfer_one', ['volume_id'])
    .execute();
  await table(
    db,
    'volume_message',
    ['project_id', 'event_id', 'resource_type', 'resource_id', 'level', 'text', 'request_id'],
    ['created_at_us', 'forget_at_us'],
  ).execute();
  await index(db, 'volume_message', 'project_id');
  await table(db, 'volume_disabled_service', ['reason?'], ['since_us']).execute();
}
