/**
 * From what should be in the northbound database and what is: one transaction that makes them equal, or none. Rows may be set
 * aside: they are neither made nor changed, while all others are, and what others refer to stays true.
 */
import type { Schema } from '../ovsdb/schema.ts';
import {
  canonicalValue,
  canonicalWire,
  mapOf,
  type Row,
  type Value,
  wireOf,
} from '../ovsdb/values.ts';
import { type Desired, type DesiredRow, keyName, managed } from './desired.ts';
import { livingRows } from './living-rows.ts';

export interface Replica {
  rows(table: string): ReadonlyMap<string, Row>;
}

export interface Difference {
  readonly operations: readonly object[];
  /** Keys of the rows that are made or changed, those before others that keep them. */
  readonly touched: readonly string[];
  readonly removed: number;
}

export interface Limits {
  readonly schema: Schema;
  readonly aside?: ReadonlySet<string>;
}

export function differenceOf(
  desired: Desired,
  replica: Replica,
  { schema, aside = new Set() }: Limits,
): Difference {
  const { uuids, strangers } = recognise(desired, replica);
  const living = livingRows(desired, schema, (key) => aside.has(key) && !uuids.has(key));
  const uuidOf = (key: string) => uuids.get(key);
  const names = new Map<string, string>();
  for (const key of living) if (!uuids.has(key)) names.set(key, `row${names.size}`);
  const refOf = (key: string) => {
    const uuid = uuids.get(key);
    if (uuid !== undefined) return ['uuid', uuid] as const;
    const name = names.get(key);
    return name === undefined ? undefined : (['named-uuid', name] as const);
  };
  const operations: object[] = [];
  const touched: string[] = [];
  for (const key of living) {
    const { table, columns } = rowOf(desired, key);
    const uuid = uuids.get(key);
    const held = uuid === undefined ? undefined : replica.rows(table).get(uuid);
    const wrong = Object.entries(columns)
      .filter(([, value]) => !aside.has(key) || isReference(value))
      .map(([name, value]) => [name, withOnly(living, value)] as const)
      .filter(
        ([name, value]) =>
          held === undefined || canonicalValue(value, uuidOf) !== canonicalWire(held[name]),
      );
    if (uuid !== undefined && wrong.length === 0) continue;
    touched.push(key);
    const row = Object.fromEntries(wrong.map(([name, value]) => [name, wireOf(value, refOf)]));
    operations.push(
      uuid === undefined
        ? { op: 'insert', table, row, 'uuid-name': names.get(key) }
        : { op: 'update', table, where: [['_uuid', '==', ['uuid', uuid]]], row },
    );
  }
  for (const { table, uuid } of strangers)
    operations.push({ op: 'delete', table, where: [['_uuid', '==', ['uuid', uuid]]] });
  return { operations, touched, removed: strangers.length };
}

function rowOf(desired: Desired, key: string): DesiredRow {
  const row = desired.rows.get(key);
  if (row === undefined) throw new Error(`no row is desired under ${key}`);
  return row;
}

const isReference = (value: Value): value is { readonly refs: readonly string[] } =>
  typeof value === 'object' && 'refs' in value;

const withOnly = (living: ReadonlySet<string>, value: Value): Value =>
  isReference(value) ? { refs: value.refs.filter((key) => living.has(key)) } : value;

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
