/**
 * Listings: filters, order and pages over one table.
 *
 * What SQL knows (columns) is asked of SQL; what is computed (status, attachments) is looked at row by row, batch after batch, until the
 * page is full. Pages follow the sort keys and the id, so they neither repeat nor skip while rows come and go.
 */
import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { callerOf, flagOf, type Request } from './caller.ts';
import type { Db } from './core.ts';
import { volumeFailure } from './failures.ts';
import type { VolumeTables } from './tables.ts';

type TableName = keyof VolumeTables & string;

export interface ListingRules<T extends TableName> {
  readonly table: T;
  /** Query parameter → column, compared exactly, or as a part of it with `~` behind the name. */
  readonly filters: Readonly<Record<string, string>>;
  readonly sortKeys: Readonly<Record<string, string>>;
  /** Sort keys when the request names none. */
  readonly defaultSort: string;
  readonly pageMax: number;
  /** Whether the table's rows belong to projects, of which only an administrator may list another's. */
  readonly owned: boolean;
}

export interface Page<R> {
  readonly rows: readonly R[];
  /** Query string of the next page, when there is one. */
  readonly next: string | undefined;
  /** How many match in all, when that was asked for. */
  readonly count: number | undefined;
}

interface Order {
  readonly column: string;
  readonly descending: boolean;
}

const batchRows = 500;
/** Of rows looked at for one page: a filter that matches nothing must not hold up others for long. */
const scannedRowsMax = 200_000;

export async function readPage<T extends TableName, R extends VolumeTables[T] & { id: string }>(
  db: Db,
  request: Request,
  rules: ListingRules<T>,
  options: {
    readonly where?: readonly RawBuilder<boolean>[];
    /** Completes a batch and keeps what matches. */
    readonly keep?: (batch: readonly R[]) => Promise<readonly R[]>;
  } = {},
): Promise<Page<R>> {
  const { query } = request;
  const conditions = [...(options.where ?? []), ...conditionsOf(request, rules)];
  const orders = ordersOf(query, rules);
  const limit = Math.min(numberOf(query, 'limit') ?? rules.pageMax, rules.pageMax);
  const offset = numberOf(query, 'offset') ?? 0;
  const counted = flagOf(query.get('with_count'), 'with_count');
  const narrowed = (by: readonly RawBuilder<boolean>[]) => {
    const all = db.selectFrom(rules.table).selectAll() as unknown as SelectQueryBuilder<
      VolumeTables,
      T,
      R
    >;
    return by.reduce((query, condition) => query.where(condition), all);
  };
  const select = () => narrowed(conditions);
  const visible = () => narrowed(ownership(request, rules));
  let after: R | undefined;
  const marker = query.get('marker');
  if (marker !== null && marker !== '') {
    // It need not match the filters: it only says where to go on.
    after = await visible()
      .where(sql<boolean>`${sql.ref(`${rules.table}.id`)} = ${marker}`)
      .executeTakeFirst();
    if (after === undefined)
      throw volumeFailure('not-found', { what: 'Marker', id: marker.slice(0, 255) });
  }
  const rows: R[] = [];
  let skipped = 0;
  let count = 0;
  const wanted = limit + 1;
  for (let scanned = 0; scanned < scannedRowsMax && (rows.length < wanted || counted); ) {
    const batch = await ordered(select(), rules.table, orders, after).limit(batchRows).execute();
    scanned += batch.length;
    for (const row of (await options.keep?.(batch)) ?? batch) {
      count++;
      if (skipped < offset) skipped++;
      else if (rows.length < wanted) rows.push(row);
    }
    after = batch.at(-1);
    if (batch.length < batchRows) break;
  }
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    rows: page,
    // As upstream: a full page has a next one, if only to find it empty.
    next: last !== undefined && page.length === limit ? nextOf(query, last.id) : undefined,
    count: counted ? count : undefined,
  };
}

function nextOf(query: URLSearchParams, marker: string): string {
  const following = new URLSearchParams(query);
  following.delete('offset');
  following.set('marker', marker);
  return `?${following}`;
}

/** Rows in order, those behind `after` only; nulls come first, as everywhere in this listing. */
function ordered<O>(
  query: SelectQueryBuilder<VolumeTables, TableName, O>,
  table: string,
  orders: readonly Order[],
  after: object | undefined,
): SelectQueryBuilder<VolumeTables, TableName, O> {
  const keys = [...orders, { column: 'id', descending: orders.at(-1)?.descending ?? false }];
  const value = (column: string) =>
    sql`coalesce(${sql.ref(`${table}.${column}`)}, ${zeroOf(column)})`;
  let result = query;
  for (const key of keys)
    result = result.orderBy(value(key.column), key.descending ? 'desc' : 'asc');
  if (after === undefined) return result;
  // (a, b, c) behind (x, y, z), each key in its own direction: a>x or (a=x and (b>y or (b=y and c>z))).
  let behind = sql<boolean>`1 = 0`;
  for (const key of keys.toReversed()) {
    const at: unknown = Reflect.get(after, key.column) ?? zeroOf(key.column);
    const compare = sql.raw(key.descending ? '<' : '>');
    const column = value(key.column);
    behind = sql<boolean>`(${column} ${compare} ${at} or (${column} = ${at} and ${behind}))`;
  }
  return result.where(behind);
}

const zeroOf = (column: string) => (/_us$|_gib$|^made$|^bootable$/.test(column) ? 0 : '');

/** Rows of the caller's project; of all, or of a named one, where an administrator asks for them. */
function ownership<T extends TableName>(
  request: Request,
  rules: ListingRules<T>,
): RawBuilder<boolean>[] {
  if (!rules.owned) return [];
  const { query } = request;
  const caller = callerOf(request);
  const column = sql.ref(`${rules.table}.project_id`);
  const every = caller.isAdmin && flagOf(query.get('all_tenants'), 'all_tenants');
  if (!every) return [sql<boolean>`${column} = ${caller.projectId ?? ''}`];
  const project = query.get('project_id');
  return project === null ? [] : [sql<boolean>`${column} = ${project}`];
}

function conditionsOf<T extends TableName>(
  request: Request,
  rules: ListingRules<T>,
): RawBuilder<boolean>[] {
  const { query } = request;
  const found = ownership(request, rules);
  const ref = (column: string) => sql.ref(`${rules.table}.${column}`);
  for (const [parameter, value] of query) {
    const like = parameter.endsWith('~');
    const name = like ? parameter.slice(0, -1) : parameter;
    const column = Object.hasOwn(rules.filters, name) ? rules.filters[name] : undefined;
    if (column === undefined) continue;
    if (like) {
      const part = `%${value.replace(/[\\%_]/g, (special) => `\\${special}`)}%`;
      found.push(sql<boolean>`${ref(column)} like ${part} escape '\\'`);
    } else found.push(sql<boolean>`${ref(column)} = ${value}`);
  }
  return found;
}

function ordersOf<T extends TableName>(query: URLSearchParams, rules: ListingRules<T>): Order[] {
  const sort = query.get('sort');
  const legacy = query.get('sort_key');
  const text =
    sort ?? (legacy === null ? rules.defaultSort : `${legacy}:${query.get('sort_dir') ?? 'desc'}`);
  return text.split(',').map((part) => {
    const [key = '', direction = 'desc'] = part.trim().split(':');
    const column = Object.hasOwn(rules.sortKeys, key) ? rules.sortKeys[key] : undefined;
    if (column === undefined)
      throw volumeFailure('invalid-input', {
        why: `Sort key supplied was not valid: ${key.slice(0, 64)}`,
      });
    if (direction !== 'asc' && direction !== 'desc')
      throw volumeFailure('invalid-input', { why: 'Unknown sort direction, must be asc or desc' });
    return { column, descending: direction === 'desc' };
  });
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,9}$/.test(text))
    throw volumeFailure('invalid-input', { why: `${name} must be an integer and at least 0` });
  return Number(text);
}
