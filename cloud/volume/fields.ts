/** The fields that request bodies share, as schemas. Limits are Cinder's. */
import Type from 'typebox';
import { volumeFailure } from './failures.ts';

export const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const optional = <T extends Type.TSchema>(schema: T) => Type.Optional(nullable(schema));

export const uuidPattern = '^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$';
export const uuid = Type.String({ pattern: uuidPattern });
export const text = Type.String({ maxLength: 255 });
export const requiredName = Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' });
/** What clients send as a flag: a boolean or one of its words. */
export const flag = Type.Union([Type.Boolean(), Type.String({ maxLength: 16 })]);
export const flagOrNull = Type.Union([Type.Boolean(), Type.String({ maxLength: 16 }), Type.Null()]);
export const sizeGib = Type.Union([
  Type.Integer({ minimum: 1, maximum: 2_147_483_647 }),
  Type.String({ pattern: '^[1-9][0-9]{0,9}$' }),
]);
const metadataKey = '^[a-zA-Z0-9-_:. /]{1,255}$';
export const metadata = Type.Record(Type.String({ pattern: metadataKey }), text, {
  additionalProperties: false,
  maxProperties: 128,
});
export const metadataOrNull = nullable(metadata);
export const specs = Type.Record(
  Type.String({ pattern: '^[a-zA-Z0-9-_:. ]{1,255}$' }),
  nullable(Type.String({ maxLength: 255 })),
  { additionalProperties: false, maxProperties: 128 },
);

/** A name as it is kept: without the spaces around it, and nothing for an empty one. */
export function trimmed(value: string | null | undefined): string | null {
  return value === undefined || value === null ? null : value.trim();
}

export function parseMap(stored: string): Record<string, string> {
  const value: unknown = JSON.parse(stored);
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, String(each)]));
}

export function parseList(stored: string): string[] {
  const value: unknown = JSON.parse(stored);
  return Array.isArray(value) ? value.map(String) : [];
}

export function gibOf(value: number | string): number {
  const gib = Number(value);
  if (!Number.isSafeInteger(gib) || gib <= 0)
    throw volumeFailure('invalid-input', {
      why: `Volume size '${gib}' must be an integer and greater than 0`,
    });
  return gib;
}

/** `2026-11-27T21:00:00.000000`, as Cinder writes times. */
export function timeOf(us: number | null): string | null {
  if (us === null) return null;
  return new Date(Math.floor(us / 1000))
    .toISOString()
    .replace('Z', String(us % 1000).padStart(3, '0'));
}

/** A dictionary in a query, as Python prints it (`{'key': 'value'}`) or as JSON. */
export function parseDictionary(text: string): Record<string, string> {
  if (text.length > 4096) throw volumeFailure('invalid-input', { why: 'filter is too long' });
  const asJson = text.replaceAll(/u?'((?:[^'\\]|\\.)*)'/g, (_whole, inner: string) =>
    JSON.stringify(inner),
  );
  for (const candidate of [text, asJson]) {
    try {
      const value: unknown = JSON.parse(candidate);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, String(each)]));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      // Not in this notation: the next one is tried, and being in none of them is an error.
    }
  }
  throw volumeFailure('invalid-input', { why: `${text.slice(0, 64)} is not a dictionary` });
}
