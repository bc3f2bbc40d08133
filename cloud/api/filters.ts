/** One filter of a listing as SQL. What the reference implementations compare with or without case, so do these, on every engine. */
import { type RawBuilder, sql } from 'kysely';

export type FilterKind = 'text' | 'flag' | 'number';

export interface FilterValue {
  readonly kind: FilterKind;
  readonly name: string;
  readonly reference: RawBuilder<unknown>;
  /** What follows `__` in the parameter: `contains`, `istartswith` … */
  readonly comparator: string;
  readonly value: string;
  readonly operators: boolean;
  refuse(detail: string): Error;
}

const inMax = 200;
const comparisons: Readonly<Record<string, string>> = {
  eq: '=',
  neq: '<>',
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
};

export function conditionOf(filter: FilterValue): RawBuilder<boolean> | undefined {
  const operator = filter.operators ? /^(in|eq|neq|gte?|lte?):(.*)$/s.exec(filter.value) : null;
  if (operator !== null) return operated(filter, operator[1] ?? '', operator[2] ?? '');
  if (filter.kind !== 'text') return equal(filter, filter.value);
  return compared(filter);
}

function operated(filter: FilterValue, operator: string, operand: string): RawBuilder<boolean> {
  const { reference } = filter;
  if (operator === 'in') {
    const values = listOf(operand).map((value) => typed(filter, value));
    if (values.length > inMax) throw filter.refuse(`At most ${inMax} values for ${filter.name}.`);
    return sql<boolean>`${reference} in (${sql.join(values)})`;
  }
  const comparison = sql.raw(comparisons[operator] ?? '=');
  const condition = sql<boolean>`${reference} ${comparison} ${typed(filter, operand)}`;
  // What has no value is certainly another one.
  return operator === 'neq' ? sql<boolean>`(${condition} or ${reference} is null)` : condition;
}

/** Comma separated; a value with commas stands in double quotes, a quote in it behind a backslash. */
function listOf(text: string): string[] {
  const parts = text.match(/"(?:[^"\\]|\\.)*"|[^,]+/g) ?? [''];
  return parts.map((part) =>
    part.startsWith('"') && part.endsWith('"') && part.length > 1
      ? part.slice(1, -1).replace(/\\(.)/g, '$1')
      : part,
  );
}

function typed(filter: FilterValue, value: string): string | number {
  if (filter.kind === 'flag') return /^(0|false|no|off|f|n)$/i.test(value) ? 0 : 1;
  if (filter.kind === 'text') return value;
  const number = Number(value);
  if (value.trim() === '' || !Number.isSafeInteger(number))
    throw filter.refuse(`${filter.name} is compared with whole numbers.`);
  return number;
}

function equal(filter: FilterValue, value: string): RawBuilder<boolean> {
  return sql<boolean>`${filter.reference} = ${typed(filter, value)}`;
}

function compared({ reference, comparator, value }: FilterValue): RawBuilder<boolean> | undefined {
  const insensitive = /^i(contains|startswith|endswith)$/.test(comparator);
  const column = insensitive ? sql`lower(${reference})` : reference;
  const wanted = insensitive ? value.toLowerCase() : value;
  // Not `like`: it ignores case on one engine and not on the other, and knows wildcards.
  switch (insensitive ? comparator.slice(1) : comparator) {
    case 'eq':
      return value === ''
        ? sql<boolean>`${reference} is null`
        : sql<boolean>`${reference} = ${value}`;
    case 'contains':
      return sql<boolean>`replace(${column}, ${wanted}, '') <> ${column}`;
    case 'startswith':
      return sql<boolean>`substr(${column}, 1, ${wanted.length}) = ${wanted}`;
    case 'endswith':
      return sql<boolean>`(length(${column}) >= ${wanted.length} and substr(${column}, length(${column}) - ${wanted.length} + 1) = ${wanted})`;
    default:
      return undefined;
  }
}
