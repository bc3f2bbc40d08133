/** Filters, sorting and paging of listings: from a query string to SQL, the same way everywhere. */
import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { type FailureTable, failureOf } from './failures.ts';

export interface ListingRules {
  readonly table: string;
  /** Query parameter → column; `flag` takes true/false, `text` exact text and `__contains` and its like. */
  readonly filters: Readonly<Record<string, 'text' | 'flag'>>;
  readonly sortKeys: readonly string[];
  readonly defaultSort: string;
  readonly limitMax: number;
}

export interface Listing {
  readonly conditions: readonly RawBuilder<boolean>[];
  readonly sort: string;
  readonly descending: boolean;
  /** Rows asked for; one more is read to know whether there is a next page. */
  readonly limit: number;
  readonly marker: string | undefined;
}

/** Reads what the query string says; parameters that are not filters of this listing are ignored, as upstream does. */
export function parseListing(
  query: URLSearchParams,
  rules: ListingRules,
  failures: FailureTable,
): Listing {
  const refuse = (detail: string) => failureOf(failures, 'page-invalid', { detail });
  const conditions: RawBuilder<boolean>[] = [];
  for (const [parameter, value] of query) {
    const condition = conditionOf(parameter, value, rules);
    if (condition !== undefined) conditions.push(condition);
  }
  const [sort = rules.defaultSort, direction = query.get('sort_dir') ?? 'asc'] = (
    query.get('sort') ??
    query.get('sort_key') ??
    rules.defaultSort
  ).split(':');
  if (!rules.sortKeys.includes(sort)) throw refuse(`Cannot sort by ${sort.slice(0, 64)}.`);
  if (direction !== 'asc' && direction !== 'desc') throw refuse('Sort direction is asc or desc.');
  const asked = query.get('limit');
  if (asked !== null && !/^\d{1,9}$/.test(asked)) throw refuse('limit must be a whole number.');
  const limit = asked === null || Number(asked) === 0 ? rules.limitMax : Number(asked);
  return {
    conditions,
    sort,
    descending: direction === 'desc',
    limit: Math.min(limit, rules.limitMax),
    marker: query.get('marker') ?? undefined,
  };
}

function conditionOf(
  parameter: string,
  value: string,
  rules: ListingRules,
): RawBuilder<boolean> | undefined {
  const [name = '', comparator = 'eq'] = parameter.split('__');
  const kind = Object.hasOwn(rules.filters, name) ? rules.filters[name] : undefined;
  if (kind === undefined) return undefined;
  const column = sql.ref(`${rules.table}.${name}`);
  if (kind === 'flag') {
    const flag = /^(0|false|no|off)$/i.test(value) ? 0 : 1;
    return sql<boolean>`${column} = ${flag}`;
  }
  const escaped = value.replace(/[\\%_]/g, (special) => `\\${special}`);
  const like = (pattern: string) => sql<boolean>`${column} like ${pattern} escape '\\'`;
  switch (comparator.replace(/^i(?=contains|startswith|endswith)/, '')) {
    case 'eq':
      return value === '' ? sql<boolean>`${column} is null` : sql<boolean>`${column} = ${value}`;
    case 'contains':
      return like(`%${escaped}%`);
    case 'startswith':
      return like(`${escaped}%`);
    case 'endswith':
      return like(`%${escaped}`);
    default:
      return undefined;
  }
}

/** Adds filters, order and page to a query over `rules.table`, whose rows have a unique `id`. */
export function applyListing<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  listing: Listing,
  table: string,
): SelectQueryBuilder<DB, TB, O> {
  let paged = query;
  for (const condition of listing.conditions) paged = paged.where(condition);
  const sort = sql.ref(`${table}.${listing.sort}`);
  const id = sql.ref(`${table}.id`);
  if (listing.marker !== undefined) {
    const after = sql`(select ${sql.ref(listing.sort)}, id from ${sql.table(table)} where id = ${listing.marker})`;
    const compare = sql.raw(listing.descending ? '<' : '>');
    paged = paged.where(sql<boolean>`(${sort}, ${id}) ${compare} ${after}`);
  }
  const direction = listing.descending ? 'desc' : 'asc';
  return paged
    .orderBy(sql`${sort}`, direction)
    .orderBy(sql`${id}`, direction)
    .limit(listing.limit + 1);
}

export interface Page<R> {
  readonly rows: readonly R[];
  /** Query string of the next page. */
  readonly next: string | undefined;
}

export function pageOf<R extends { readonly id: string }>(
  found: readonly R[],
  listing: Listing,
  query: URLSearchParams,
): Page<R> {
  const rows = found.slice(0, listing.limit);
  const last = rows.at(-1);
  if (found.length <= listing.limit || last === undefined) return { rows, next: undefined };
  const following = new URLSearchParams(query);
  following.set('marker', last.id);
  return { rows, next: `?${following}` };
}
