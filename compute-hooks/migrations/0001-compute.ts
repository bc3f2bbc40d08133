/** The first tables. A published step never changes: later ones alter. */
import type { CreateTableBuilder, Transaction } from 'kysely';

type Db = Transaction<unknown>;
type Table = CreateTableBuilder<string, string>;

interface Shape {
  readonly key: readonly string[];
  /** Text columns, which must have a value unless marked `?`. */
  readonly texts: string;
  readonly numbers?: string;
}

const shapes: Readonly<Record<string, Shape>> = {
  compute_server: {
    key: ['id'],
    texts: `id project_id user_id name hostname description? flavor_id flavor_json image_id? image_json key_name? key_data? user_data?
      metadata_json tags_json zone? host? reservation_id access_ip_v4 access_ip_v6 disk_config locked_by? locked_reason? power mode
      group_id? groups_json hints_json before_json operation_id? operation_kind? failure?`,
    numbers:
      'config_drive launch_index made failed_at_us? created_at_us updated_at_us launched_at_us? deleted_at_us?',
  },
  compute_disk: {
    key: ['id'],
    texts: 'id server_id kind volume_id device source_id? tag?',
    numbers: 'boot_index? size_gib delete_on_termination connected created_at_us',
  },
  compute_port: {
    key: ['port_id'],
    texts: 'port_id server_id network_id fixed_ip? tag?',
    numbers: 'position adopted made',
  },
  compute_flavor: {
    key: ['id'],
    texts: 'id name rxtx_factor description? specs_json',
    numbers: 'memory_mib vcpus disk_gib ephemeral_gib swap_mib is_public is_disabled created_at_us',
  },
  compute_flavor_access: { key: ['flavor_id', 'project_id'], texts: 'flavor_id project_id' },
  compute_keypair: {
    key: ['id'],
    texts: 'id user_id name type public_key fingerprint',
    numbers: 'number created_at_us',
  },
  compute_host: {
    key: ['id'],
    texts: 'id name type facts_json disabled_reason?',
    numbers: 'version vcpus memory_mib disk_gib disabled forced_down seen_at_us created_at_us',
  },
  compute_allocation: {
    key: ['consumer_id', 'provider_id', 'resource_class'],
    texts: 'consumer_id provider_id resource_class project_id user_id',
    numbers: 'amount',
  },
  compute_group: {
    key: ['id'],
    texts: 'id project_id user_id name policy rules_json',
    numbers: 'created_at_us',
  },
  compute_aggregate: {
    key: ['id'],
    texts: 'id name zone? metadata_json hosts_json',
    numbers: 'number created_at_us updated_at_us?',
  },
  compute_action: {
    key: ['id'],
    texts: 'id server_id request_id action project_id user_id host? message? detail?',
    numbers: 'started_at_us ended_at_us?',
  },
  compute_console: { key: ['id'], texts: 'id server_id kind', numbers: 'until_us' },
  compute_migration: {
    key: ['id'],
    texts:
      'id server_id kind status source_host target_host old_flavor new_flavor project_id user_id',
    numbers: 'number created_at_us updated_at_us',
  },
};

const indexes: readonly (readonly [table: string, columns: readonly string[], unique?: true])[] = [
  ['compute_server', ['project_id', 'deleted_at_us', 'created_at_us']],
  ['compute_server', ['host']],
  ['compute_server', ['group_id']],
  ['compute_disk', ['server_id']],
  ['compute_disk', ['volume_id']],
  ['compute_port', ['server_id']],
  ['compute_flavor', ['name'], true],
  ['compute_keypair', ['user_id', 'name'], true],
  ['compute_host', ['name'], true],
  ['compute_allocation', ['provider_id']],
  ['compute_action', ['server_id']],
  ['compute_migration', ['server_id']],
];

export async function createComputeTables(db: Db): Promise<void> {
  for (const [name, shape] of Object.entries(shapes)) await createTable(db, name, shape);
  for (const [table, columns, unique] of indexes) {
    const index = db.schema
      .createIndex(`${table}_by_${columns.join('_')}`)
      .on(table)
      .columns([...columns]);
    await (unique ? index.unique() : index).execute();
  }
}

async function createTable(db: Db, name: string, { key, texts, numbers = '' }: Shape) {
  let made: Table = db.schema.createTable(name);
  const add = (column: string, type: 'text' | 'bigint') => {
    made = column.endsWith('?')
      ? made.addColumn(column.slice(0, -1), type)
      : made.addColumn(column, type, (definition) => definition.notNull());
  };
  for (const column of wordsOf(texts)) add(column, 'text');
  for (const column of wordsOf(numbers)) add(column, 'bigint');
  await made.addPrimaryKeyConstraint(`${name}_pk`, [...key] as never).execute();
}

const wordsOf = (text: string) => text.split(/\s+/).filter((word) => word !== '');
