/** The fields that request bodies share, as schemas, and stored JSON read back. Limits are Nova's. */
import { isIP } from 'node:net';
import Type from 'typebox';
import { refused } from './failures.ts';

export const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const optional = <T extends Type.TSchema>(schema: T) => Type.Optional(nullable(schema));

export const uuidPattern = '^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$';
export const uuid = Type.String({ pattern: uuidPattern });
export const text = Type.String({ maxLength: 255 });
export const name = Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' });
/** What clients send as a flag: a boolean or one of its words. */
export const flag = Type.Union([Type.Boolean(), Type.String({ maxLength: 16 })]);
export const count = (minimum: number, maximum = 2_147_483_647) =>
  Type.Union([
    Type.Integer({ minimum, maximum }),
    Type.String({ pattern: '^[0-9]{1,10}$', maxLength: 10 }),
  ]);
export const metadata = Type.Record(
  Type.String({ pattern: '^[a-zA-Z0-9-_:. ]{1,255}$' }),
  Type.String({ maxLength: 255 }),
  { additionalProperties: false },
);
export const object = <T extends Type.TProperties>(properties: T) =>
  Type.Object(properties, { additionalProperties: false });

/** An address as it is shown: empty for none, version 6 in its shortest form. */
export function address(text: string, version: 4 | 6): string {
  if (text === '') return '';
  if (isIP(text) !== version) throw refused(`'${text.slice(0, 64)}' is not an 'ipv${version}'`);
  return version === 4 ? text : new URL(`http://[${text}]`).hostname.slice(1, -1);
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

/** `2026-11-27T21:00:00Z`, as Nova writes most times. */
export function timeOf(us: number): string;
export function timeOf(us: number | null): string | null;
export function timeOf(us: number | null): string | null {
  if (us === null) return null;
  return new Date(Math.floor(us / 1000)).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** `2026-11-27T21:00:00.000000`, as Nova writes the others. */
export function stampOf(us: number | null): string | null {
  if (us === null) return null;
  return new Date(Math.floor(us / 1000))
    .toISOString()
    .replace('Z', String(us % 1000).padStart(3, '0'));
}
