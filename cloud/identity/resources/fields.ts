/** The fields that request bodies share, as schemas. Limits are Keystone's. */
import Type from 'typebox';

export const name = Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' });
export const projectName = Type.String({ minLength: 1, maxLength: 64, pattern: '\\S' });
export const id = Type.String({ minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-]+$' });
export const text = Type.String({ maxLength: 65_535 });
export const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const flag = Type.Boolean();
/** Keystone's options are objects of its own making; none of them is honoured here yet, so only an empty one is taken. */
export const noOptions = Type.Object({}, { additionalProperties: false });
export const tag = Type.String({ minLength: 1, maxLength: 255, pattern: '^[^,/]+$' });
export const tags = Type.Array(tag, { maxItems: 80, uniqueItems: true });
export const url = Type.String({ minLength: 1, maxLength: 2048, pattern: '^https?://' });

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
