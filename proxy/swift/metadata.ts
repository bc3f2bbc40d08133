/** User metadata in headers: read within Swift's bounds, written back under title-case names. */
import type { Exchange } from '../exchange.ts';
import type { Fields } from '../objects/index.ts';
import { refusal } from './refusal.ts';
import { fromHeader, isTrue, titleCase, toHeader } from './text.ts';

export const metadataMax = {
  nameLength: 128,
  valueLength: 256,
  count: 90,
  overallSize: 4096,
  headerLength: 8192,
} as const;

export type MetadataOwner = 'account' | 'container' | 'object';

/** What a request says about metadata: names to set, and (empty values, `X-Remove-…`) names to take away. */
export interface MetadataChange {
  readonly set: ReadonlyMap<string, string>;
  readonly removed: ReadonlySet<string>;
}

const noChange: MetadataChange = { set: new Map(), removed: new Set() };

export function readMetadata(exchange: Exchange, owner: MetadataOwner): MetadataChange {
  return readMetadataFrom(exchange.rawHeaders, owner);
}

/** `lines`: name, value, name, value … */
export function readMetadataFrom(lines: readonly string[], owner: MetadataOwner): MetadataChange {
  const prefix = `x-${owner}-meta-`;
  const removePrefix = `x-remove-${owner}-meta-`;
  let set: Map<string, string> | undefined;
  let removed: Set<string> | undefined;
  const names = lines;
  for (let at = 0; at < names.length; at += 2) {
    const raw = names[at] ?? '';
    const value = names[at + 1] ?? '';
    if (value.length > metadataMax.headerLength)
      throw refusal(
        'bad-request',
        `Header value too long: ${raw.slice(0, metadataMax.nameLength)}`,
      );
    if (raw.length < prefix.length || (raw.charCodeAt(0) | 0x20) !== 0x78) continue;
    const name = raw.toLowerCase();
    if (name.startsWith(removePrefix)) {
      removed ??= new Set();
      removed.add(name.slice(removePrefix.length));
    } else if (name.startsWith(prefix)) {
      set ??= new Map();
      removed ??= new Set();
      // As WSGI servers have it: there a header's name knows no underscore.
      const key = name.slice(prefix.length).replaceAll('_', '-');
      const text = checkItem(prefix, key, value);
      if (text === '' && owner !== 'object') removed.add(key);
      else set.set(key, text);
    }
  }
  if (set === undefined && removed === undefined) return noChange;
  const change = { set: set ?? noChange.set, removed: removed ?? noChange.removed };
  checkTotals(change.set);
  return change;
}

function checkItem(prefix: string, key: string, value: string): string {
  if (key === '') throw refusal('bad-request', 'Metadata name cannot be empty');
  if (key.length > metadataMax.nameLength)
    throw refusal('bad-request', `Metadata name too long: ${prefix}${key}`);
  if (value.length > metadataMax.valueLength)
    throw refusal(
      'bad-request',
      `Metadata value longer than ${metadataMax.valueLength}: ${prefix}${key}`,
    );
  const text = fromHeader(value);
  if (text === undefined) throw refusal('bad-request', 'Metadata must be valid UTF-8');
  return text;
}

function checkTotals(items: ReadonlyMap<string, string>): void {
  if (items.size > metadataMax.count)
    throw refusal('bad-request', `Too many metadata items; max ${metadataMax.count}`);
  let size = 0;
  for (const [name, value] of items) size += name.length + Buffer.byteLength(value);
  if (size > metadataMax.overallSize)
    throw refusal('bad-request', `Total metadata too large; max ${metadataMax.overallSize}`);
}

/** What is there with the change made, within the bounds for all of it. */
export function applyChange(present: Fields, change: MetadataChange): Fields {
  if (change.set.size === 0 && change.removed.size === 0) return present;
  const next = new Map(Object.entries(present));
  for (const name of change.removed) next.delete(name);
  for (const [name, value] of change.set) next.set(name, value);
  checkTotals(next);
  return toFields(next);
}

/** Names come from clients: `__proto__` has to be a name like any other. */
export function toFields(entries: Iterable<readonly [string, string]>): Fields {
  const fields: Record<string, string> = {};
  for (const [name, value] of entries)
    Object.defineProperty(fields, name, { value, enumerable: true, writable: true });
  return fields;
}

export function writeMetadata(
  headers: Record<string, string | number>,
  owner: MetadataOwner,
  metadata: Fields,
): void {
  for (const name in metadata) {
    const value = metadata[name];
    if (value !== undefined) headers[titleCase(`x-${owner}-meta-${name}`)] = toHeader(value);
  }
}

export { isTrue };
