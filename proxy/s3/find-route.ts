/** Finds a request's route: by method and level first, which leaves a handful, then by query and headers. */
import type { RequestHead } from './request-head.ts';
import { type Level, type Route, routes } from './routes.ts';

interface Candidate {
  readonly route: Route;
  readonly name: string | undefined;
  readonly value: string | undefined;
}

const candidates = new Map<string, Candidate[]>();
for (const route of routes) {
  const key = `${route.method} ${route.on}`;
  const [name, value] = route.query?.split('=') ?? [];
  const list = candidates.get(key) ?? [];
  list.push({ route, name, value });
  candidates.set(key, list);
}

/** Undefined when the level has no operation of this method. */
export function findRoute(
  head: RequestHead,
  level: Level,
  query: ReadonlyMap<string, string>,
): Route | undefined {
  const found = candidates.get(`${head.method} ${level}`)?.find(({ route, name, value }) => {
    if (name !== undefined) {
      if (query.size === 0) return false;
      const given = query.get(name);
      if (given === undefined || (value !== undefined && value !== given)) return false;
    }
    return route.header === undefined || head.headers.has(route.header);
  });
  return found?.route;
}
