/** Order and paging of image listings: several keys, each up or down, after a marker. */
import { type RawBuilder, sql } from 'kysely';
import { invalid } from '../failures.ts';
import { statusOf } from './records.ts';

const available = [
  ...['name', 'status', 'container_format', 'disk_format', 'size', 'id', 'created_at'],
  'updated_at',
];
const keysMax = 10;

export interface SortKey {
  readonly key: string;
  readonly descending: boolean;
}

/** `sort=name:asc,size` or repeated `sort_key` and `sort_dir`; ends in keys that make the order total. */
export function sortingOf(query: URLSearchParams): SortKey[] {
  const asked = query.has('sort') ? newSyntax(query) : classicSyntax(query);
  if (asked.length > keysMax) throw invalid('Too many sort keys.');
  const last = asked.length === 1 ? (asked[0]?.descending ?? true) : true;
  const added = ['created_at', 'id'].filter((key) => !asked.some((sort) => sort.key === key));
  return [...asked, ...added.map((key) => ({ key, descending: last }))];
}

function newSyntax(query: URLSearchParams): SortKey[] {
  if (query.has('sort_key') || query.has('sort_dir'))
    throw invalid('Old and new sorting syntax cannot be combined');
  return (query.get('sort') ?? '')
    .trim()
    .split(',')
    .map((part) => {
      const [key = '', direction = ''] = part.split(':', 2);
      return sortKey(key.trim(), direction.trim() || 'desc');
    });
}

function classicSyntax(query: URLSearchParams): SortKey[] {
  const keys = query.getAll('sort_key');
  const directions = query.getAll('sort_dir');
  if (directions.length > 1 && directions.length !== keys.length)
    throw invalid('Number of sort dirs does not match the number of sort keys');
  if (keys.length === 0) keys.push('created_at');
  return keys.map((key, at) => {
    const direction = directions.length === 1 ? directions[0] : directions[at];
    return sortKey(key.trim(), (direction ?? 'desc').trim());
  });
}

function sortKey(key: string, direction: string): SortKey {
  if (!available.includes(key))
    throw invalid(
      `Invalid sort key: ${key.slice(0, 64)}. It must be one of the following: ${available.join(', ')}.`,
    );
  if (direction !== 'asc' && direction !== 'desc')
    throw invalid(`Invalid sort direction: ${direction.slice(0, 64)}`);
  return { key, descending: direction === 'desc' };
}

/** What a key compares: never null, so that every image has its place. */
export function sortColumn(key: string, nowUs: number): RawBuilder<unknown> {
  if (key === 'status') return statusOf(nowUs);
  if (key === 'size') return sql`coalesce(image_image.size, 0)`;
  if (key === 'id') return sql`image_image.id`;
  if (key.endsWith('_at')) return sql.ref(`image_image.${key}_us`);
  return sql`coalesce(${sql.ref(`image_image.${key}`)}, '')`;
}

/** Rows that come after the one with these values: greater in the first key, or equal there and greater in the next … */
export function afterMarker(
  sorting: readonly SortKey[],
  values: readonly unknown[],
  nowUs: number,
): RawBuilder<boolean> {
  const alternatives = sorting.map((sort, at) => {
    const equal = sorting
      .slice(0, at)
      .map((earlier, index) => sql`(${sortColumn(earlier.key, nowUs)}) = ${values[index]}`);
    const beyond = sql.raw(sort.descending ? '<' : '>');
    const last = sql`(${sortColumn(sort.key, nowUs)}) ${beyond} ${values[at]}`;
    return sql`(${sql.join([...equal, last], sql` and `)})`;
  });
  return sql<boolean>`(${sql.join(alternatives, sql` or `)})`;
}
