/** Request bodies against JSON schemas, with the words OpenStack services use. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { TSchema } from 'typebox';

// Bodies are small and parsed already; every keyword a schema uses must be known (strict).
const ajv = new Ajv({
  strict: true,
  allowUnionTypes: true,
  allErrors: false,
  discriminator: false,
});

export type BodyCheck = (body: unknown) => string | undefined;

/**
 * Returns a function that says what is wrong with a body, or nothing. Compiled when it is first asked: there are hundreds of
 * schemas, most of a run's requests are of a few kinds, and compiled code is large.
 */
export function compileSchema(schema: TSchema): BodyCheck {
  let validate: ValidateFunction | undefined;
  return (body) => {
    validate ??= ajv.compile(schema);
    if (validate(body)) return undefined;
    const [first] = validate.errors ?? [];
    return first === undefined ? 'The body is invalid' : wordingOf(first, body);
  };
}

function wordingOf(error: ErrorObject, body: unknown): string {
  if (error.keyword === 'required') {
    const where = pathOf(error.instancePath);
    const name = String(error.params.missingProperty);
    return where === ''
      ? `'${name}' is a required property`
      : `Invalid input for field '${where}': '${name}' is a required property`;
  }
  if (error.keyword === 'additionalProperties') {
    const name = String(error.params.additionalProperty);
    return `Additional properties are not allowed ('${name}' was unexpected)`;
  }
  const where = pathOf(error.instancePath);
  const value = JSON.stringify(valueAt(body, error.instancePath)) ?? 'undefined';
  const shown = /password|secret/i.test(where) ? 'The value' : value.slice(0, 200);
  return `Invalid input for field '${where}': ${shown} ${error.message ?? 'is invalid'}`;
}

const partsOf = (pointer: string) =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

const pathOf = (pointer: string) => partsOf(pointer).join('/');

function valueAt(body: unknown, pointer: string): unknown {
  let value = body;
  for (const part of partsOf(pointer)) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/** Whether data is nested deeper than `depthMax`; hostile bodies nest to exhaust the stack of whoever walks them. */
export function nestsDeeper(data: unknown, depthMax: number): boolean {
  let level: unknown[] = [data];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) return true;
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    );
  }
  return false;
}
