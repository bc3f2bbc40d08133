/**
 * Listings: candidates are found by index and by whom they belong to, then rules, filters, order and page are applied to what
 * is answered of them. The work is linear in the candidates, not in everything.
 */
import type { Asker, Request } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import { badRequest } from '../failures.ts';
import type { Document, Kind, Kinds } from './documents.ts';
import { readable, targetsOf } from './policing.ts';
import type { Resource, View } from './resource.ts';
import { sharedWith } from './sharing.ts';
import type { Db, Where } from './store.ts';

const reserved = new Set(['fields', 'limit', 'marker', 'page_reverse', 'sort_key', 'sort_dir']);
const tagFilters = ['tags', 'tags-any', 'not-tags', 'not-tags-any'];

export interface ListedPage {
  readonly views: readonly View[];
  readonly links: readonly { readonly rel: string; readonly href: string }[];
}

export async function listResources<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
  request: Request,
  asker: Asker,
): Promise<ListedPage> {
  const { query } = request;
  refuseUnknownFilters(resource, query);
  await resource.beforeList?.(asker);
  const candidates = await candidatesOf(core, resource, request, asker);
  const views = await resource.views(core.db, candidates, asker);
  const targets = await targetsOf(core.db, resource, candidates, views, asker);
  const seen: View[] = [];
  for (const [at, view] of views.entries()) {
    const target = targets[at] ?? {};
    if (!asker.may(`get_${resource.rule}`, target)) continue;
    const shown = readable(resource, view, target, asker);
    // Filters see only what the caller may see: nobody finds out by asking.
    if (matches(resource, shown, query)) seen.push(shown);
  }
  const page = paged(core, sorted(resource, seen, query), query);
  return { views: page, links: linksOf(request, page) };
}

function refuseUnknownFilters(resource: Resource, query: URLSearchParams): void {
  const unknown = [...new Set(query.keys())].filter(
    (name) =>
      !reserved.has(name) &&
      !tagFilters.includes(name) &&
      name !== 'changed_since' &&
      resource.attributes[name]?.filter !== true &&
      !Object.hasOwn(resource.filters ?? {}, name),
  );
  if (unknown.length > 0)
    throw badRequest(
      `[${unknown.map((name) => `'${name.slice(0, 64)}'`).join(', ')}] are invalid attributes for filtering`,
    );
}

async function candidatesOf<K extends Kind>(
  core: NetworkCore,
  resource: Resource<K>,
  request: Request,
  asker: Asker,
): Promise<Kinds[K][]> {
  const narrowed = narrowedBy(resource, request);
  if (asker.isAdmin) return await core.list(core.db, resource.kind, narrowed);
  const wheres: Where[] = [];
  if (asker.projectId !== undefined) wheres.push({ projectId: asker.projectId });
  if (resource.sharedAs !== undefined) {
    const shared = await sharedWith(core, core.db, resource.sharedAs, asker.projectId);
    if (shared.size > 0) wheres.push({ ids: [...shared.keys()] });
  }
  wheres.push(...((await resource.alsoVisible?.(core.db, asker)) ?? []));
  const found = new Map<string, Kinds[K]>();
  for (const where of wheres)
    for (const document of await core.list(core.db, resource.kind, joined(where, narrowed)))
      found.set(document.id, document);
  return [...found.values()].sort(byAge);
}

const byAge = (one: Document, other: Document) =>
  one.createdAtUs - other.createdAtUs || (one.id < other.id ? -1 : 1);

function joined(where: Where, narrowed: Where): Where {
  const ids =
    where.ids !== undefined && narrowed.ids !== undefined
      ? where.ids.filter((id) => narrowed.ids?.includes(id))
      : (where.ids ?? narrowed.ids);
  const projectId = where.projectId ?? narrowed.projectId;
  return {
    ...(ids === undefined ? {} : { ids }),
    ...(projectId === undefined ? {} : { projectId }),
    by: { ...where.by, ...narrowed.by },
  };
}

/** What the query asks that an index can answer. */
function narrowedBy(resource: Resource, request: Request): Where {
  const { query } = request;
  const own = resource.within?.(request.params) ?? {};
  const by: Record<string, string | readonly string[]> = { ...own.by };
  for (const [attribute, index] of Object.entries(resource.indexed)) {
    const values = query.getAll(attribute).filter((value) => value !== '');
    if (values.length > 0 && values.length === query.getAll(attribute).length) by[index] ??= values;
  }
  const ids = query.getAll('id');
  return { ...own, by, ...(ids.length === 0 ? {} : { ids }) };
}

function matches(resource: Resource, view: View, query: URLSearchParams): boolean {
  for (const name of new Set(query.keys())) {
    if (reserved.has(name)) continue;
    const values = query.getAll(name);
    if (tagFilters.includes(name)) {
      if (!tagsMatch(name, view, values)) return false;
    } else if (name === 'changed_since') {
      if (String(view.updated_at) < (values[0] ?? '')) return false;
    } else {
      const own = resource.filters?.[name];
      const fits = (value: string) =>
        own === undefined ? equals(view[name], value) : own(view, value);
      if (!values.some(fits)) return false;
    }
  }
  return true;
}

function equals(held: unknown, wanted: string): boolean {
  if (typeof held === 'boolean') return held === /^(true|1)$/i.test(wanted);
  if (held === null || held === undefined)
    return wanted === '' || wanted === 'null' || wanted === 'None';
  if (Array.isArray(held)) return held.some((one) => equals(one, wanted));
  return String(held) === wanted;
}

function tagsMatch(name: string, view: View, values: readonly string[]): boolean {
  const tags = Array.isArray(view.tags) ? view.tags : [];
  const wanted = values.flatMap((value) => value.split(','));
  const all = wanted.every((tag) => tags.includes(tag));
  const any = wanted.some((tag) => tags.includes(tag));
  if (name === 'tags') return all;
  if (name === 'tags-any') return any;
  return name === 'not-tags' ? !all : !any;
}

function sorted(
  resource: Resource,
  views: readonly View[],
  query: URLSearchParams,
): readonly View[] {
  const keys = query.getAll('sort_key');
  const directions = query.getAll('sort_dir');
  for (const key of keys)
    if (resource.attributes[key]?.sort !== true)
      throw badRequest(`['${key.slice(0, 64)}'] are invalid attributes for sort keys`);
  for (const direction of directions)
    if (direction !== 'asc' && direction !== 'desc')
      throw badRequest("The sort direction must be 'asc' or 'desc'");
  if (directions.length > 0 && directions.length !== keys.length)
    throw badRequest('The number of sort_keys and sort_dirs must be same');
  const pages = query.has('limit') || query.has('marker');
  if (keys.length === 0 && !pages) return views;
  const orders = [
    ...keys.map((key, at) => ({ key, down: directions[at] === 'desc' })),
    { key: 'id', down: false },
  ];
  return [...views].sort((one, other) => {
    for (const { key, down } of orders) {
      const order = compare(one[key], other[key]);
      if (order !== 0) return down ? -order : order;
    }
    return 0;
  });
}

function compare(one: unknown, other: unknown): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  const [left, right] = [one, other].map((value) =>
    value === null || value === undefined ? '' : String(value),
  );
  return left === right ? 0 : (left ?? '') < (right ?? '') ? -1 : 1;
}

function paged(core: NetworkCore, views: readonly View[], query: URLSearchParams): readonly View[] {
  const limit = limitOf(query, core.settings.limitMax);
  const marker = query.get('marker');
  const reverse = isReverse(query);
  if (marker === null) return reverse ? views.slice(-limit) : views.slice(0, limit);
  const at = views.findIndex((view) => view.id === marker);
  if (at < 0) throw badRequest(`Invalid marker: ${marker.slice(0, 64)}`);
  return reverse ? views.slice(Math.max(0, at - limit), at) : views.slice(at + 1, at + 1 + limit);
}

const isReverse = (query: URLSearchParams) => /^true$/i.test(query.get('page_reverse') ?? '');

function limitOf(query: URLSearchParams, limitMax: number): number {
  const asked = query.get('limit');
  if (asked === null || asked === '0' || asked === '') return limitMax;
  if (!/^\d{1,9}$/.test(asked))
    throw badRequest(`Limit must be an integer 0 or greater and not '${asked.slice(0, 64)}'`);
  return Math.min(Number(asked), limitMax);
}

function linksOf(request: Request, views: readonly View[]): { rel: string; href: string }[] {
  const { query } = request;
  const limit = Number(query.get('limit') ?? '0');
  if (limit === 0) return [];
  const path = request.url.split('?', 1)[0];
  const link = (rel: string, marker: unknown, reverse: boolean) => {
    const following = new URLSearchParams(query);
    following.delete('page_reverse');
    following.set('marker', String(marker));
    if (reverse) following.set('page_reverse', 'True');
    return { rel, href: `${request.baseUrl}${path}?${following}` };
  };
  const links = [];
  const full = views.length >= limit;
  const [first, last] = [views[0], views.at(-1)];
  if (last !== undefined && (full || isReverse(query))) links.push(link('next', last.id, false));
  if (first !== undefined && query.has('marker') && (full || !isReverse(query)))
    links.push(link('previous', first.id, true));
  return links;
}

/** `fields=id&fields=name` */
export function withFields(view: View, query: URLSearchParams): View {
  const names = query.getAll('fields').filter((name) => name !== '');
  if (names.length === 0) return view;
  return Object.fromEntries(Object.entries(view).filter(([name]) => names.includes(name)));
}

export type { Db };
