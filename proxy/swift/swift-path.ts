/** What a request addresses. Pure. */
import { decodePercent } from './text.ts';

export interface SwiftPath {
  readonly account: string;
  readonly container?: string;
  readonly object?: string;
}

export type ParsedUrl =
  | { readonly is: 'path'; readonly path: SwiftPath }
  /** `/info`, `/healthcheck`, `/auth/v1.0`, … */
  | { readonly is: 'other'; readonly name: string }
  /** Not UTF-8, or with a NUL. */
  | { readonly is: 'undecodable' }
  | { readonly is: 'malformed' };

const versions = new Set(['v1', 'v1.0']);

/** `url` is the path as it came, without the query. */
export function parsePath(url: string): ParsedUrl {
  const path = decodePercent(url);
  if (path === undefined) return { is: 'undecodable' };
  if (!path.startsWith('/')) return { is: 'malformed' };
  const first = path.indexOf('/', 1);
  if (first < 0 || !versions.has(path.slice(1, first))) return { is: 'other', name: path };
  const second = path.indexOf('/', first + 1);
  const account = path.slice(first + 1, second < 0 ? undefined : second);
  if (account === '') return { is: 'malformed' };
  if (second < 0) return { is: 'path', path: { account } };
  const third = path.indexOf('/', second + 1);
  const container = path.slice(second + 1, third < 0 ? undefined : third);
  const object = third < 0 ? '' : path.slice(third + 1);
  if (container === '')
    return object === '' ? { is: 'path', path: { account } } : { is: 'malformed' };
  if (object === '') return { is: 'path', path: { account, container } };
  return { is: 'path', path: { account, container, object } };
}

export type Query = ReadonlyMap<string, string>;

const noQuery: Query = new Map();

/** The query's parameters, the first of each name; undefined when one is not UTF-8 or has a NUL. */
export function parseQuery(query: string): Query | undefined {
  if (query === '') return noQuery;
  const parameters = new Map<string, string>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const cut = pair.indexOf('=');
    const name = decodePercent((cut < 0 ? pair : pair.slice(0, cut)).replaceAll('+', ' '));
    const value = cut < 0 ? '' : decodePercent(pair.slice(cut + 1).replaceAll('+', ' '));
    if (name === undefined || value === undefined) return undefined;
    if (!parameters.has(name)) parameters.set(name, value);
  }
  return parameters;
}
