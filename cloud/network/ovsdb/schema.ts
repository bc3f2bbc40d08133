/** The schema that a database publishes of itself (RFC 7047 §3.2): what may stand where, so that what it would refuse is seen before. */
import type { Atom, Value } from './values.ts';

interface BaseType {
  readonly type: string;
  readonly values: ReadonlySet<Atom> | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly isWeak: boolean;
}

interface Column {
  readonly key: BaseType;
  readonly value: BaseType | undefined;
  readonly min: number;
  readonly max: number;
}

interface Table {
  readonly isRoot: boolean;
  readonly columns: ReadonlyMap<string, Column>;
}

type Wire = Readonly<Record<string, unknown>>;

export class Schema {
  private readonly tables: ReadonlyMap<string, Table>;

  constructor(wire: unknown) {
    const tables = objectOf(objectOf(wire).tables);
    this.tables = new Map(Object.entries(tables).map(([name, table]) => [name, tableOf(table)]));
  }

  /** Rows of a table that is no root live as long as others refer to them. */
  isRoot(table: string): boolean {
    return this.tables.get(table)?.isRoot === true;
  }

  /** Whether references in this column keep the rows that they name. */
  keeps(table: string, column: string): boolean {
    const base = this.tables.get(table)?.columns.get(column);
    return [base?.key, base?.value].some((one) => one?.type === 'uuid' && !one.isWeak);
  }

  /** Why the database would refuse this, as far as its schema tells. */
  problemOf(table: string, columns: Readonly<Record<string, Value>>): string | undefined {
    const known = this.tables.get(table);
    if (known === undefined) return `this database has no table ${table}`;
    for (const [name, value] of Object.entries(columns)) {
      const column = known.columns.get(name);
      if (column === undefined) return `this database has no column ${table}.${name}`;
      const problem = problemOfValue(column, value);
      if (problem !== undefined) return `${table}.${name}: ${problem}`;
    }
    return undefined;
  }
}

const objectOf = (wire: unknown): Wire =>
  typeof wire === 'object' && wire !== null ? (wire as Wire) : {};

function tableOf(wire: unknown): Table {
  const { isRoot, columns } = objectOf(wire);
  const read = Object.entries(objectOf(columns)).map(
    ([name, column]) => [name, columnOf(objectOf(column).type)] as const,
  );
  return { isRoot: isRoot === true, columns: new Map(read) };
}

function columnOf(wire: unknown): Column {
  if (typeof wire === 'string') return { key: baseOf(wire), value: undefined, min: 1, max: 1 };
  const { key, value, min = 1, max = 1 } = objectOf(wire);
  return {
    key: baseOf(key),
    value: value === undefined ? undefined : baseOf(value),
    min: Number(min),
    max: max === 'unlimited' ? Number.POSITIVE_INFINITY : Number(max),
  };
}

function baseOf(wire: unknown): BaseType {
  const given = typeof wire === 'string' ? { type: wire } : objectOf(wire);
  const number = (...names: string[]) =>
    names.map((name) => given[name]).find((one) => typeof one === 'number') as number | undefined;
  const choices = Array.isArray(given.enum) ? given.enum : undefined;
  const values = choices?.[0] === 'set' ? (choices[1] as Atom[]) : choices;
  return {
    type: String(given.type),
    values: values === undefined ? undefined : new Set(values as Atom[]),
    min: number('minInteger', 'minReal', 'minLength'),
    max: number('maxInteger', 'maxReal', 'maxLength'),
    isWeak: given.refType === 'weak',
  };
}

function problemOfValue(column: Column, value: Value): string | undefined {
  const count = sizeOf(value);
  if (count < column.min || count > column.max)
    return `holds ${column.min} to ${column.max} values, not ${count}`;
  if (typeof value !== 'object') return problemOfAtom(column.key, value);
  if ('refs' in value) return column.key.type === 'uuid' ? undefined : 'holds no references';
  if ('set' in value) return first(value.set, (one) => problemOfAtom(column.key, one));
  const { value: base } = column;
  if (base === undefined) return 'holds no map';
  return first(
    Object.entries(value.map),
    ([key, one]) => problemOfAtom(column.key, key) ?? problemOfAtom(base, one),
  );
}

function sizeOf(value: Value): number {
  if (typeof value !== 'object') return 1;
  if ('set' in value) return value.set.length;
  return 'map' in value ? Object.keys(value.map).length : value.refs.length;
}

function first<T>(all: readonly T[], problem: (one: T) => string | undefined): string | undefined {
  for (const one of all) {
    const found = problem(one);
    if (found !== undefined) return found;
  }
  return undefined;
}

function problemOfAtom(base: BaseType, atom: Atom): string | undefined {
  const shown = JSON.stringify(atom).slice(0, 100);
  if (!isOfType(base.type, atom)) return `${shown} is no ${base.type}`;
  if (base.values !== undefined && !base.values.has(atom))
    return `${shown} is none of ${[...base.values].join(', ')}`;
  const measure = typeof atom === 'string' ? [...atom].length : Number(atom);
  if (base.min !== undefined && measure < base.min) return `${shown} is below ${base.min}`;
  if (base.max !== undefined && measure > base.max) return `${shown} is above ${base.max}`;
  return undefined;
}

function isOfType(type: string, atom: Atom): boolean {
  if (type === 'integer') return Number.isSafeInteger(atom);
  if (type === 'real') return typeof atom === 'number' && Number.isFinite(atom);
  // A string with a NUL is refused, and so is half a surrogate pair.
  if (type === 'string')
    return typeof atom === 'string' && !atom.includes('\0') && atom.isWellFormed();
  return type === 'boolean' && typeof atom === 'boolean';
}
