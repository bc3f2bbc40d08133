/** The rows that can be in the database: those of root tables, and those that they keep by referring to them. */
import type { Schema } from '../ovsdb/schema.ts';
import type { Desired } from './desired.ts';

/** In an order in which a row comes after one that keeps it. `isAbsent`: will not be there, and so keeps nothing. */
export function livingRows(
  desired: Desired,
  schema: Schema,
  isAbsent: (key: string) => boolean,
): ReadonlySet<string> {
  const living = new Set<string>();
  for (const { key, table } of desired.rows.values())
    if (schema.isRoot(table) && !isAbsent(key)) living.add(key);
  // A set that grows while it is walked is walked to its new end.
  for (const key of living) {
    const row = desired.rows.get(key);
    if (row === undefined) continue;
    for (const [column, value] of Object.entries(row.columns)) {
      if (typeof value !== 'object' || !('refs' in value)) continue;
      if (!schema.keeps(row.table, column)) continue;
      for (const kept of value.refs)
        if (desired.rows.has(kept) && !isAbsent(kept)) living.add(kept);
    }
  }
  return living;
}
