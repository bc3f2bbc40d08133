/** From what should be in the northbound database and what is: one transaction that makes them equal, or none. */
import { canonicalValue, canonicalWire, mapOf, type Row, wireOf } from '../ovsdb/values.ts';
import { type Desired, keyName, managed } from './desired.ts';

export interface Replica {
  rows(table: string): ReadonlyMap<string, Row>;
}

export interface Difference {
  readonly operations: readonly object[];
  readonly inserted: number;
  readonly changed: number;
  readonly removed: number;
}

export function differenceOf(desired: Desired, replica: Replica): Difference {
  const { uuids, strangers } = recognise(desired, replica);
  const uuidOf = (key: string) => uuids.get(key);
  const names = new Map<string, string>();
  for (const key of desired.rows.keys()) if (!uuids.has(key)) names.set(key, `row${names.size}`);
  const refOf = (key: string) => {
    const uuid = uuids.get(key);
    if (uuid !== undefined) return ['uuid', uuid] as const;
    const name = names.get(key);
    return name === undefined ? undefined : (['named-uuid', name] as const);
  };
  const operations: object[] = [];
  let changed = 0;
  for (const { key, table, columns } of desired.rows.values()) {
    const uuid = uuids.get(key);
    const held = uuid === undefined ? undefined : replica.rows(table).get(uuid);
    const wrong = Object.entries(columns).filter(
      ([name, value]) =>
        held === undefined || canonicalValue(value, uuidOf) !== canonicalWire(held[name]),
    );
    const row = Object.fromEntries(wrong.map(([name, value]) => [name, wireOf(value, refOf)]));
    if (uuid === undefined)
      operations.push({ op: 'insert', table, row, 'uuid-name': names.get(key) });
    else if (wrong.length > 0) {
      changed++;
      operations.push({ op: 'update', table, where: [['_uuid', '==', ['uuid', uuid]]], row });
    }
  }
  for (const { table, uuid } of strangers)
    operations.push({ op: 'delete', table, where: [['_uuid', '==', ['uuid', uuid]]] });
  return { operations, inserted: names.size, changed, removed: strangers.length };
}

/** The database is ours alone: a row that nobody wants, or a second one of the same key, goes. */
function recognise(desired: Desired, replica: Replica) {
  const uuids = new Map<string, string>();
  const strangers: { table: string; uuid: string }[] = [];
  for (const table of Object.keys(managed)) {
    for (const [uuid, row] of replica.rows(table)) {
      const key = mapOf(row.external_ids)[keyName];
      const wanted = key === undefined ? undefined : desired.rows.get(key);
      if (key === undefined || wanted?.table !== table || uuids.has(key))
        strangers.push({ table, uuid });
      else uuids.set(key, uuid);
    }
  }
  return { uuids, strangers };
}
