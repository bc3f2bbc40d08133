/** The filters of an image listing, as SQL conditions. */
import { type RawBuilder, sql } from 'kysely';
import { invalid } from '../failures.ts';
import { parseIsoTime } from '../times.ts';
import { statusOf } from './records.ts';
import { visibilities } from './schema.ts';

type Condition = RawBuilder<boolean>;

/** Parameters that are no filters. */
const others = new Set(['limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'member_status', 'tag']);

const textColumns = new Set(['name', 'id', 'container_format', 'disk_format', 'status']);
const numbers = new Set(['size', 'min_disk', 'min_ram', 'virtual_size']);
const times = new Set(['created_at', 'updated_at']);
const plain = new Set(['owner', 'checksum', 'os_hash_value', 'visibility']);
const flags = new Set(['protected', 'os_hidden']);

export function filtersOf(query: URLSearchParams, nowUs: number): Condition[] {
  const conditions = query
    .getAll('tag')
    .map(
      (tag) =>
        sql<boolean>`exists (select 1 from image_tag where image_tag.image_id = image_image.id and image_tag.value = ${tag.trim()})`,
    );
  // Of a parameter that is repeated the last counts, as upstream.
  for (const [name, value] of new Map(query)) {
    const condition = others.has(name) ? undefined : filterOf(name, value, nowUs);
    if (condition !== undefined) conditions.push(condition);
  }
  if (!query.has('os_hidden')) conditions.push(sql<boolean>`image_image.os_hidden = 0`);
  return conditions;
}

function filterOf(name: string, value: string, nowUs: number): Condition | undefined {
  if (name === 'changes-since')
    throw invalid('The "changes-since" filter is no longer available on v2.');
  if (name === 'visibility') return visibilityFilter(value);
  if (flags.has(name)) return flagFilter(name, value);
  if (textColumns.has(name)) return textFilter(name, value, nowUs);
  if (times.has(name)) return timeFilter(name, value);
  const bound = /^(.*)_(min|max)$/.exec(name);
  if (bound !== null && numbers.has(bound[1] ?? ''))
    return rangeFilter(bound[1] ?? '', bound[2] ?? '', value);
  const column = sql.ref(`image_image.${name}`);
  if (numbers.has(name)) return sql<boolean>`${column} = ${wholeNumber(value)}`;
  if (plain.has(name)) return sql<boolean>`${column} = ${value}`;
  if (name === 'os_hash_algo')
    return sql<boolean>`(image_image.os_hash_value is not null and ${value} = 'sha512')`;
  return sql<boolean>`exists (select 1 from image_property where image_property.image_id = image_image.id
    and image_property.name = ${name} and image_property.value = ${value})`;
}

function visibilityFilter(value: string): Condition | undefined {
  if (value === 'all') return undefined;
  if (!visibilities.includes(value))
    throw invalid(`Invalid visibility value: ${value.slice(0, 64)}`);
  return sql<boolean>`image_image.visibility = ${value}`;
}

function flagFilter(name: string, value: string): Condition {
  const word = name === 'os_hidden' ? value.toLowerCase() : value;
  if (word !== 'true' && word !== 'false')
    throw invalid(
      `Invalid value '${value.slice(0, 64)}' for '${name}' filter. Valid values are 'true' or 'false'.`,
    );
  return sql<boolean>`${sql.ref(`image_image.${name}`)} = ${word === 'true' ? 1 : 0}`;
}

function textFilter(name: string, text: string, nowUs: number): Condition {
  const column = name === 'status' ? statusOf(nowUs) : sql.ref(`image_image.${name}`);
  const { operator, value } = splitOperator(text);
  if (operator === 'eq') return sql<boolean>`(${column}) = ${value}`;
  if (operator !== 'in') throw invalid(`Unable to filter by unknown operator '${operator}'.`);
  const values = splitQuoted(value);
  if (values.length > 1_000) throw invalid('Too many values in a filter.');
  return sql<boolean>`(${column}) in (${sql.join(values)})`;
}

const operators = new Set(['in', 'eq', 'neq', 'gt', 'gte', 'lt', 'lte']);

/** `in:a,b` → in; what only looks like an operator (`host:x`) is a value. */
function splitOperator(text: string): { operator: string; value: string } {
  const colon = text.indexOf(':');
  const operator = text.slice(0, Math.max(colon, 0));
  if (colon > 0 && operators.has(operator)) return { operator, value: text.slice(colon + 1) };
  return { operator: 'eq', value: text };
}

/** Values between commas; one in double quotes may hold commas, and `\"` for a quote. */
export function splitQuoted(text: string): string[] {
  const values: string[] = [];
  const pattern = /(?:"((?:[^"\\]|\\.)*)"|([^",]*))(,|$)/y;
  for (let at = 0; at <= text.length; ) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null)
      throw invalid(
        `Invalid filter value ${text.slice(0, 255)}. The quote is not closed or misplaced.`,
      );
    values.push(match[1] === undefined ? (match[2] ?? '') : match[1].replace(/\\(.)/g, '$1'));
    at = pattern.lastIndex;
    if (match[3] === '') break;
  }
  return values;
}

const comparisons: Readonly<Record<string, string>> = {
  eq: '=',
  neq: '<>',
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
};

function timeFilter(name: string, text: string): Condition {
  const colon = /^([a-z]{2,3}):(?=\d)/.exec(text);
  const operator = colon?.[1] ?? 'eq';
  const comparison = Object.hasOwn(comparisons, operator) ? comparisons[operator] : undefined;
  if (comparison === undefined)
    throw invalid(`Unable to filter by unknown operator '${operator}'.`);
  const us = parseIsoTime(text.slice(colon?.[0].length ?? 0));
  if (us === undefined)
    throw invalid(`Bad "${name}" query filter format. Use ISO 8601 DateTime notation.`);
  // What clients see is cut to seconds, so that is what they compare.
  const seconds = sql`(${sql.ref(`image_image.${name}_us`)} / 1000000)`;
  return sql<boolean>`${seconds} ${sql.raw(comparison)} ${Math.floor(us / 1_000_000)}`;
}

function rangeFilter(column: string, side: string, value: string): Condition {
  const compare = sql.raw(side === 'min' ? '>=' : '<=');
  return sql<boolean>`${sql.ref(`image_image.${column}`)} ${compare} ${wholeNumber(value)}`;
}

function wholeNumber(value: string): number {
  const number = /^-?\d{1,15}$/.test(value.trim()) ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) throw invalid('Unable to filter on a range with a non-numeric value.');
  return number;
}
