/** The fields that request bodies share, as schemas. Limits are Keystone's. */
import Type from 'typebox';
import { identityFailure } from '../failures.ts';

export const name = Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' });
export const projectName = Type.String({ minLength: 1, maxLength: 64, pattern: '\\S' });
export const id = Type.String({ minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-]+$' });
export const text = Type.String({ maxLength: 65_535 });
export const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const flag = Type.Boolean();
export const tag = Type.String({ minLength: 1, maxLength: 255, pattern: '^[^,/]+$' });
export const tags = Type.Array(tag, { maxItems: 80, uniqueItems: true });
export const url = Type.String({ minLength: 1, maxLength: 2048, pattern: '^[a-zA-Z0-9+.-]+:.+' });

/** The one option of projects, domains and roles: what is immutable is neither changed nor deleted until it is set free. */
export const options = Type.Object(
  { immutable: Type.Optional(nullable(Type.Boolean())) },
  { additionalProperties: false },
);
export type Options = Type.Static<typeof options>;

/** An update names at least one field. */
export const some = <P extends Type.TProperties>(properties: P) =>
  Type.Object(properties, { minProperties: 1 });

/** The value after an update: not given, it stays. */
export const changed = <T>(given: T | undefined, before: T): T =>
  given === undefined ? before : given;
export const changedFlag = (given: boolean | undefined, before: number): number =>
  given === undefined ? before : Number(given);

/** What a resource keeps of fields that are nobody's: everything but the named ones. */
export function extraOf(body: object, known: readonly string[]): Record<string, unknown> {
  const reserved = new Set([...known, 'id', 'links']);
  return Object.fromEntries(Object.entries(body).filter(([field]) => !reserved.has(field)));
}

/** An update's extra fields laid over the stored ones; null takes one away. */
export function mergeExtra(stored: string, changes: Record<string, unknown>): string {
  const merged = { ...parseExtra(stored), ...changes };
  return JSON.stringify(
    Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null)),
  );
}

export function parseExtra(stored: string): Record<string, unknown> {
  const value: unknown = JSON.parse(stored);
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** What belongs to a domain stays in it. */
export function refuseOtherDomain(before: string, given: string | null | undefined): void {
  if (given !== undefined && (given ?? '') !== before)
    throw identityFailure('schema-invalid', { detail: 'Cannot change Domain ID' });
}

/** A filter over a view, for lists that are computed rather than read from one table. */
export function isWanted(
  view: Readonly<Record<string, unknown>>,
  query: URLSearchParams,
  name: string,
): boolean {
  const wanted = query.get(name);
  if (wanted === null) return true;
  const held = view[name];
  if (typeof held === 'boolean') return held === !/^(0|false|no|off)$/i.test(wanted);
  return wanted === '' ? held === null : held === wanted;
}
