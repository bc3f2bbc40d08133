/** Filters, sorting and paging of listings: from a query string to SQL, the same way everywhere and on every engine. */
import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { type FailureTable, failureOf } from './failures.ts';
import { conditionOf, type FilterKind } from './filters.ts';

export interface ListingRules {
  readonly table: string;
  /**
   * Query parameter (a column) → how it compares: `text` by `name=x`, `name__contains=x` and its like, `flag` by true/false,
   * `number` by whole numbers. A column of another name is named after a colon: `text:project_id`.
   */
  readonly filters: Readonly<Record<string, FilterKind | `${FilterKind}:${string}`>>;
  /** Filters also take `in:`, `eq:`, `neq:`, `gt:`, `gte:`, `lt:`, `lte:` before their value. */
  readonly operators?: boolean;
  readonly sortKeys: readonly string[];
  /** Columns of sort keys that are called otherwise. */
  readonly columns?: Readonly<Record<string, string>>;
  /** Those of the sort keys that are numbers. */
  readonly numericKeys?: readonly string[];
  readonly defaultSort: string;
  readonly defaultDescending?: boolean;
  readonly limitMax: number;
}

export interface Sort {
  /** The column. */
  readonly key: string;
  readonly descending: boolean;
  readonly numeric: boolean;
}

export interface Listing {
  readonly conditions: readonly RawBuilder<boolean>[];
  /** First by the first, among equals by the next; at last always by id. */
  readonly sorts: readonly Sort[];
  /** Rows asked for; one more is read to know whether there is a next page. */
  readonly limit: number;
  readonly marker: string | undefined;
}

const sortsMax = 8;

/** Reads what the query string says; parameters that are not filters of this listing are ignored, as upstream does. */
export function parseListing(
  query: URLSearchParams,
  rules: ListingRules,
  failures: FailureTable | ((detail: string) => Error),
): Listing {
  const refuse = (detail: string) =>
    typeof failures === 'function'
      ? failures(detail)
      : failureOf(failures, 'page-invalid', { detail });
  const conditions: RawBuilder<boolean>[] = [];
  for (const [parameter, value] of query) {
    const [name = '', comparator = 'eq'] = parameter.split('__');
    const declared = Object.hasOwn(rules.filters, name) ? rules.filters[name] : undefined;
    if (declared === undefined) continue;
    const [kind = 'text', column = name] = declared.split(':') as [FilterKind, string | undefined];
    const reference = sql.ref(`${rules.table}.${column}`);
    const operators = rules.operators === true;
    const condition = conditionOf({ kind, name, reference, comparator, value, operators, refuse });
    if (condition !== undefined) conditions.push(condition);
  }
  const asked = query.get('limit');
  if (asked !== null && !/^\d{1,9}$/.test(asked)) throw refuse('limit must be a whole number.');
  const limit = asked === null || Number(asked) === 0 ? rules.limitMax : Number(asked);
  return {
    conditions,
    sorts: sortsOf(query, rules, refuse),
    limit: Math.min(limit, rules.limitMax),
    marker: query.get('marker') ?? undefined,
  };
}

/** `sort=a:asc,b:desc`, or `sort_key=a&sort_dir=asc&sort_key=b` in the older way, or what is usual. */
function sortsOf(
  query: URLSearchParams,
  rules: ListingRules,
  refuse: (detail: string) => Error,
): Sort[] {
  const usual = rules.defaultDescending === true ? 'desc' : 'asc';
  const together = query.get('sort');
  const directions = query.getAll('sort_dir');
  const pairs =
    together === null
      ? query.getAll('sort_key').map((key, at) => [key, directions[at] ?? directions.at(-1)])
      : together.split(',').map((part) => part.split(':'));
  const asked = pairs.length === 0 ? [[rules.defaultSort, directions[0]]] : pairs;
  if (asked.length > sortsMax) throw refuse(`At most ${sortsMax} sort keys.`);
  const sorts = asked.map(([key = '', direction = usual]): Sort => {
    if (!rules.sortKeys.includes(key)) throw refuse(`Cannot sort by ${key.slice(0, 64)}.`);
    if (direction !== 'asc' && direction !== 'desc') throw refuse('Sort direction is asc or desc.');
    const numeric = rules.numericKeys?.includes(key) === true;
    return { key: rules.columns?.[key] ?? key, descending: direction === 'desc', numeric };
  });
  return sorts.filter((sort, at) => sorts.findIndex((other) => other.key === sort.key) === at);
}

/** Adds filters, order and page to a query over `table`, known as `alias` in it, whose rows have a unique `id`. */
export function applyListing<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  listing: Listing,
  table: string,
  alias: string = table,
): SelectQueryBuilder<DB, TB, O> {
  let paged = query;
  for (const condition of listing.conditions) paged = paged.where(condition);
  const last = listing.sorts.at(-1)?.descending ?? false;
  const sorts = [...listing.sorts, { key: 'id', descending: last, numeric: false }];
  if (listing.marker !== undefined)
    paged = paged.where(after(sorts, { table, alias }, listing.marker));
  for (const sort of sorts)
    paged = paged.orderBy(keyOf(sort, alias), sort.descending ? 'desc' : 'asc');
  return paged.limit(listing.limit + 1);
}

/** A value is never null here: engines disagree where null belongs, and nothing compares with it. */
function keyOf(sort: Sort, table: string): RawBuilder<unknown> {
  const column = sql.ref(`${table}.${sort.key}`);
  if (sort.key === 'id') return sql`${column}`;
  return sort.numeric ? sql`coalesce(${column}, -1)` : sql`coalesce(${column}, '')`;
}

/** Rows behind the marker: further by the first key, or equal in it and further by the next, and so on. */
function after(
  sorts: readonly Sort[],
  { table, alias }: { readonly table: string; readonly alias: string },
  marker: string,
): RawBuilder<boolean> {
  const atMarker = (sort: Sort) =>
    sql`(select ${keyOf(sort, table)} from ${sql.table(table)} where ${sql.ref(`${table}.id`)} = ${marker})`;
  const choices = sorts.map((sort, at) => {
    const equal = sorts.slice(0, at).map((one) => sql`${keyOf(one, alias)} = ${atMarker(one)}`);
    const beyond = sql.raw(sort.descending ? '<' : '>');
    return sql`(${sql.join([...equal, sql`${keyOf(sort, alias)} ${beyond} ${atMarker(sort)}`], sql` and `)})`;
  });
  return sql<boolean>`(${sql.join(choices, sql` or `)})`;
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

/** `servers_links` and its like beside a collection: where the next page is. */
export function pageLinks(
  request: { readonly baseUrl: string; readonly url: string },
  page: Page<unknown>,
): readonly { readonly rel: 'next'; readonly href: string }[] {
  if (page.next === undefined) return [];
  const path = request.url.split('?', 1)[0];
  return [{ rel: 'next', href: `${request.baseUrl}${path}${page.next}` }];
}

/** `fields=id,name` or `fields=id&fields=name`: only these members of what would be answered; all when nothing is asked for. */
export function pickFields<V extends object>(view: V, query: URLSearchParams): Partial<V> {
  const names = query.getAll('fields').flatMap((value) => value.split(','));
  if (names.length === 0) return view;
  return Object.fromEntries(
    Object.entries(view).filter(([name]) => names.includes(name)),
  ) as Partial<V>;
}
