/** Reading JSON rows: every field is asked for by the type it must have. */
import { Failure } from '#common';

export type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Fields of a JSON object, each asked for by the type it must have. */
export class Fields {
  private readonly values: Json;

  constructor(values: Json) {
    this.values = values;
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== 'string') throw headFailure(name);
    return value;
  }

  maybeText(name: string): string | undefined {
    return this.values[name] === undefined ? undefined : this.text(name);
  }

  texts(name: string): string[] {
    const value = this.values[name];
    const isTexts = (list: unknown[]): list is string[] =>
      list.every((one) => typeof one === 'string');
    if (!Array.isArray(value) || !isTexts(value)) throw headFailure(name);
    return value;
  }

  names(): string[] {
    return Object.keys(this.values);
  }

  /** Absent means no. */
  flag(name: string): boolean {
    const value = this.values[name] ?? false;
    if (typeof value !== 'boolean') throw headFailure(name);
    return value;
  }

  whole(name: string): number {
    const value = this.maybeWhole(name);
    if (value === undefined) throw headFailure(name);
    return value;
  }

  maybeWhole(name: string): number | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw headFailure(name);
    return value;
  }

  object(name: string): Json | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    if (!isObject(value)) throw headFailure(name);
    return value;
  }

  maybeList(name: string): readonly Json[] | undefined {
    return this.values[name] === undefined ? undefined : this.list(name);
  }

  list(name: string): readonly Json[] {
    const value = this.values[name];
    if (!Array.isArray(value) || !value.every(isObject)) throw headFailure(name);
    return value;
  }
}

export function parseObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Failure('corrupt', 'volume-head-corrupt', 'A volume row is not JSON', {
      cause: error,
    });
  }
  if (!isObject(value)) throw headFailure('document');
  return value;
}

export function headFailure(field: string): Failure {
  return new Failure('corrupt', 'volume-head-corrupt', 'A volume row cannot be understood', {
    facts: { field },
  });
}
