/** What of a query chooses providers: resources, traits, aggregates, ids, names. */
import type { Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { refused } from '../failures.ts';
import type { HostView } from '../scheduler.ts';
import { inventoriesOf, traitsOf } from './providers.ts';

/** `VCPU:1,MEMORY_MB:512`. */
export function parseResources(text: string): Record<string, number> {
  const pairs = text.split(',').map((part) => /^([A-Z0-9_]{1,255}):([1-9][0-9]{0,9})$/.exec(part));
  if (pairs.some((pair) => pair === null))
    throw refused(
      'Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024.',
    );
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', Number(pair?.[2])]));
}

const known = new Set([
  'resources',
  'required',
  'member_of',
  'in_tree',
  'uuid',
  'name',
  'limit',
  'group_policy',
]);

export function refuseUnknown({ query }: Request): void {
  for (const name of query.keys())
    if (!known.has(name))
      throw refused(`Invalid query string parameters: '${name.slice(0, 64)}' was unexpected`);
}

export function fits(core: ComputeCore, { query }: Request, view: HostView): boolean {
  const is = (name: string, value: string) => (query.get(name) ?? value) === value;
  return (
    is('uuid', view.row.id) &&
    is('in_tree', view.row.id) &&
    is('name', view.row.name) &&
    query.getAll('required').every((text) => hasTraits(text, traitsOf(view))) &&
    query.getAll('member_of').every((text) => isMember(text, view)) &&
    hasRoom(core, parseResourcesOf(query), view)
  );
}

const parseResourcesOf = (query: URLSearchParams) => {
  const text = query.get('resources');
  return text === null ? {} : parseResources(text);
};

function hasTraits(text: string, traits: readonly string[]): boolean {
  return text
    .split(',')
    .every((word) =>
      word.startsWith('!') ? !traits.includes(word.slice(1)) : traits.includes(word),
    );
}

function isMember(text: string, { aggregates }: HostView): boolean {
  const not = text.startsWith('!');
  const ids = text.replace(/^!?(in:)?/, '').split(',');
  return aggregates.some(({ id }) => ids.includes(id)) !== not;
}

function hasRoom(core: ComputeCore, wanted: Record<string, number>, view: HostView): boolean {
  const inventories = inventoriesOf(core, view);
  return Object.entries(wanted).every(([name, amount]) => {
    const there = inventories[name];
    if (there === undefined || amount > there.max_unit) return false;
    const capacity = (there.total - there.reserved) * there.allocation_ratio;
    return (view.used[name] ?? 0) + amount <= capacity;
  });
}
