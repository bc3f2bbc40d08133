/** Rules over resources and over their attributes. */
import type { Asker } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import { fail } from '../failures.ts';
import { networkRules } from '../policies.ts';
import type { Kind, Kinds } from './documents.ts';
import { notFound } from './not-found.ts';
import type { Resource, View } from './resource.ts';
import type { Db } from './store.ts';

export const hasRule = (rule: string): boolean => Object.hasOwn(networkRules, rule);

function refused(rules: readonly string[]): Error {
  const named = rules.map((rule) => `rule:${rule}`).join(' and ');
  return fail(
    'policy-not-authorized',
    rules.length === 1 ? `${named} is disallowed by policy` : `(${named}) is disallowed by policy`,
  );
}

/** What rules see of documents: their view, and whom they stand under. */
export async function targetsOf<K extends Kind>(
  db: Db,
  resource: Resource<K>,
  documents: readonly Kinds[K][],
  views: readonly View[],
  asker: Asker,
): Promise<View[]> {
  const more = (await resource.targets?.(db, documents, asker)) ?? [];
  return views.map((view, at) => ({ ...view, ...more[at] }));
}

/** May make one with these values. `explicit` attributes other than their default have rules of their own. */
export function enforceCreate(
  resource: Resource,
  target: View,
  explicit: ReadonlySet<string>,
  asker: Asker,
): void {
  enforceChange(resource, 'create', target, explicit, asker);
}

export function enforceChange(
  resource: Resource,
  verb: 'create' | 'update',
  target: View,
  explicit: ReadonlySet<string>,
  asker: Asker,
): void {
  const main = `${verb}_${resource.rule}`;
  if (!asker.may(main, target)) throw refused([main]);
  for (const attribute of explicit) {
    const value = target[attribute];
    const declared = resource.attributes[attribute];
    if (verb === 'create' && JSON.stringify(declared?.default) === JSON.stringify(value)) continue;
    for (const rule of rulesOf(main, attribute, value))
      if (!asker.may(rule, target)) throw refused([main, rule]);
  }
}

/** `create_port:fixed_ips`, and `create_port:fixed_ips:ip_address` when a member says so. */
function rulesOf(main: string, attribute: string, value: unknown): string[] {
  const own = `${main}:${attribute}`;
  const entries = Array.isArray(value) ? value : [value];
  const members = new Set(
    entries.flatMap((entry) =>
      typeof entry === 'object' && entry !== null ? Object.keys(entry) : [],
    ),
  );
  return [own, ...[...members].map((member) => `${own}:${member}`)].filter(hasRule);
}

/** A document that the caller may see, with what rules see of it; `missing` when it is not his to know of. */
export async function getVisible<K extends Kind>(
  core: NetworkCore,
  db: Db,
  resource: Resource<K>,
  id: string,
  asker: Asker,
): Promise<{ readonly document: Kinds[K]; readonly view: View; readonly target: View }> {
  const document = await core.find(db, resource.kind, id);
  if (document === undefined) throw notFound(resource.kind, id);
  const [view = {}] = await resource.views(db, [document], asker);
  const [target = {}] = await targetsOf(db, resource, [document], [view], asker);
  if (!asker.may(`get_${resource.rule}`, target)) throw notFound(resource.kind, id);
  return { document, view, target };
}

/** What of a view the caller may read. */
export function readable(resource: Resource, view: View, target: View, asker: Asker): View {
  const shown = Object.entries(view).filter(([name]) => {
    const rule = `get_${resource.rule}:${name}`;
    return !hasRule(rule) || asker.may(rule, target);
  });
  return Object.fromEntries(shown);
}
