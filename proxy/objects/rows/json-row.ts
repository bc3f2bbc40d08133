/** Rows that are read one at a time (containers, accounts, uploads, …): a magic, a version, and JSON. */
import { Buffer } from 'node:buffer';
import { objectFailure } from '../failures.ts';
import { type Fields, noFields } from '../fields.ts';

export type RowLetter = 'a' | 'b' | 'c' | 'd' | 'k' | 'p' | 'r' | 's' | 'u';

const version = 1;

export function encodeJsonRow(letter: RowLetter, value: unknown): Buffer {
  const text = JSON.stringify(value);
  const meta = Buffer.allocUnsafe(2 + Buffer.byteLength(text));
  meta[0] = letter.charCodeAt(0);
  meta[1] = version;
  meta.write(text, 2);
  return meta;
}

/** Typed reads of a decoded row's values: anything else than expected is a `row-malformed` failure. */
export class JsonRow {
  private readonly values: Readonly<Record<string, unknown>>;
  private readonly letter: RowLetter;

  constructor(letter: RowLetter, meta: Buffer) {
    this.letter = letter;
    if (meta[0] !== letter.charCodeAt(0) || meta[1] !== version) throw this.malformed('magic');
    let parsed: unknown;
    try {
      parsed = JSON.parse(meta.toString('utf8', 2, meta.length));
    } catch {
      throw this.malformed('json');
    }
    if (typeof parsed !== 'object' || parsed === null) throw this.malformed('json');
    this.values = { ...parsed };
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== 'string') throw this.malformed(name);
    return value;
  }

  number(name: string): number {
    const value = this.values[name];
    if (typeof value !== 'number') throw this.malformed(name);
    return value;
  }

  fields(name: string): Fields {
    const value = this.values[name];
    if (value === undefined) return noFields;
    if (typeof value !== 'object' || value === null) throw this.malformed(name);
    const fields: Record<string, string> = {};
    for (const [key, held] of Object.entries(value)) {
      if (typeof held !== 'string') throw this.malformed(name);
      Object.defineProperty(fields, key, { value: held, enumerable: true });
    }
    return fields;
  }

  /** Pairs of text and number. */
  pairs(name: string): readonly (readonly [string, number])[] {
    const value = this.values[name];
    if (!Array.isArray(value)) throw this.malformed(name);
    return value.map((pair: unknown) => {
      if (!Array.isArray(pair)) throw this.malformed(name);
      const [text, number]: unknown[] = pair;
      if (typeof text !== 'string' || typeof number !== 'number') throw this.malformed(name);
      return [text, number] as const;
    });
  }

  private malformed(why: string): Error {
    return objectFailure('row-malformed', 'A row cannot be read', {
      facts: { row: this.letter, why },
    });
  }
}
