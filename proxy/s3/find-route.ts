/** Finds a request's route: by method and level first, which leaves a handful, then by query and headers. */
import type { RequestHead } from './request-head.ts';
import { type Level, type Route, routes } from './routes.ts';

interface Asked {
  readonly name: string;
  readonly value: string | undefined;
}

interface Candidate {
  readonly route: Route;
  readonly asked: readonly Asked[];
}

/** By level, then method. */
const candidates: Readonly<Record<Level, Map<string, Candidate[]>>> = {
  service: new Map(),
  bucket: new Map(),
  object: new Map(),
};
/** Parameters that name what a request is about. */
const subjects = new Set<string>();
for (const route of routes) {
  const asked = (route.query ?? '').split('&').flatMap((text): Asked[] => {
    const [name = '', value] = text.split('=');
    return name === '' ? [] : [{ name, value }];
  });
  for (const { name } of asked) subjects.add(name);
  const ofLevel = candidates[route.on];
  const list = ofLevel.get(route.method) ?? [];
  list.push({ route, asked });
  ofLevel.set(route.method, list);
}

/** Whether a parameter names what a request is about. */
export function isSubject(name: string): boolean {
  return subjects.has(name);
}

/** The methods that something on a level answers to, for `Allow`. */
export function methodsOf(level: Level): string {
  return [...new Set(routes.filter(({ on }) => on === level).map(({ method }) => method))].join(
    ', ',
  );
}

/** Undefined when the level has no operation of this method. */
export function findRoute(
  head: RequestHead,
  level: Level,
  query: ReadonlyMap<string, string>,
): Route | undefined {
  for (const { route, asked } of candidates[level].get(head.method) ?? []) {
    if (asked.length > 0 && (query.size === 0 || !isAsked(asked, query))) continue;
    if (route.header === undefined || head.headers.has(route.header)) return route;
  }
  return undefined;
}

function isAsked(asked: readonly Asked[], query: ReadonlyMap<string, string>): boolean {
  return asked.every(({ name, value }) => {
    const given = query.get(name);
    return given !== undefined && (value === undefined || value === given);
  });
}

/**
 * A bare parameter that names nothing known. An operation that came into the API later looks like this, and must not be taken for the one
 * without a parameter: that would make or delete a bucket, or replace an object, where only a setting was meant.
 */
export function unknownSubject(query: ReadonlyMap<string, string>): string | undefined {
  for (const [name, value] of query)
    if (value === '' && !subjects.has(name) && /^[a-z][A-Za-z-]*$/.test(name) && !plain.has(name))
      return name;
  return undefined;
}

/** Parameters of operations that may well be empty. */
const plain: ReadonlySet<string> = new Set([
  ...['prefix', 'delimiter', 'marker', 'key-marker', 'version-id-marker', 'upload-id-marker'],
  ...['encoding-type', 'continuation-token', 'start-after', 'fetch-owner', 'max-keys', 'versionId'],
  ...['partNumber', 'x-id'],
]);
