/** JSON patches on images: parsed and checked before the image is looked at, then applied to a draft. */
import { conflict, forbidden, imageFailure, invalid } from '../failures.ts';
import { baseNames, checkImage, readOnlyNames, reserved } from './schema.ts';

export interface Change {
  readonly op: 'add' | 'remove' | 'replace';
  readonly name: string;
  /** `locations` alone may be addressed deeper. */
  readonly position: string | undefined;
  readonly value: unknown;
  /** The older draft refuses to add what is there. */
  readonly draft: 4 | 10;
}

export const patchTypes: Readonly<Record<string, 4 | 10>> = {
  'application/openstack-images-v2.0-json-patch': 4,
  'application/openstack-images-v2.1-json-patch': 10,
};

const changesMax = 1_000;
const operations = ['add', 'remove', 'replace'] as const;

export function parsePatch(body: unknown, draft: 4 | 10): Change[] {
  if (!Array.isArray(body))
    throw invalid('Request body must be a JSON array of operation objects.');
  if (body.length > changesMax) throw invalid('Too many operations in one request.');
  return body.map((raw: unknown) => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
      throw invalid('Operations must be JSON objects.');
    return parseChange({ ...raw }, draft);
  });
}

function parseChange(raw: Readonly<Record<string, unknown>>, draft: 4 | 10): Change {
  const op = draft === 10 ? operationOf(raw) : oldOperationOf(raw);
  const pointer = draft === 10 ? raw.path : raw[op];
  if (typeof pointer !== 'string') throw invalid("Unable to find 'path' in JSON Schema change");
  const path = parsePointer(pointer);
  const [name = '', position] = path;
  const depth = name === 'locations' && op !== 'replace' ? 2 : 1;
  if (path.length !== depth)
    throw invalid(`Invalid JSON pointer for this resource: '/${path.join('/')}'`);
  if (op !== 'remove' && !Object.hasOwn(raw, 'value'))
    throw invalid(`Operation "${op}" requires a member named "value".`);
  const change: Change = { op, name, position, value: raw.value, draft };
  checkChange(change);
  return change;
}

function operationOf(raw: Readonly<Record<string, unknown>>): Change['op'] {
  const op = operations.find((known) => known === raw.op);
  const choice = `It must be one of the following: ${operations.join(', ')}.`;
  if (op !== undefined) return op;
  if (raw.op === undefined) throw invalid(`Unable to find \`op\` in JSON Schema change. ${choice}`);
  throw invalid(`Invalid operation: \`${String(raw.op).slice(0, 64)}\`. ${choice}`);
}

function oldOperationOf(raw: Readonly<Record<string, unknown>>): Change['op'] {
  const [op, another] = operations.filter((known) => Object.hasOwn(raw, known));
  if (op !== undefined && another === undefined) return op;
  const count = op === undefined ? 'exactly one' : 'only one';
  throw invalid(
    `Operation objects must contain ${count} member named "add", "remove", or "replace".`,
  );
}

function parsePointer(pointer: string): string[] {
  const refuse = (what: string) => invalid(`Pointer \`${pointer.slice(0, 255)}\` ${what}`);
  if (!pointer.startsWith('/')) throw refuse('does not start with "/".');
  if (/\/\s*\//.test(pointer)) throw refuse('contains adjacent "/".');
  if (pointer.length > 1 && pointer.endsWith('/')) throw refuse('end with "/".');
  if (/~(?![01])/.test(pointer))
    throw refuse('contains "~" not part of a recognized escape sequence.');
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~').trim());
}

function checkChange({ op, name, value }: Change): void {
  if (readOnlyNames.has(name)) throw forbidden(`Attribute '${name}' is read-only.`);
  if (reserved(name)) throw forbidden(`Attribute '${name}' is reserved.`);
  if (name.length === 0 || name.length > 255)
    throw invalid('Custom property should not be greater than 255 characters.');
  if (op !== 'remove')
    checkImage({ [name]: name === 'locations' && op === 'add' ? [value] : value });
}

/** What may be changed of an image. */
export interface Draft {
  base: Record<string, unknown>;
  tags: readonly string[];
  properties: Map<string, string>;
}

/** Applies one change; whether the caller may make it was asked before. */
export function applyChange(draft: Draft, change: Change): void {
  const { op, name, value } = change;
  const isBase = baseNames.has(name);
  const present = isBase || draft.properties.has(name);
  if (op === 'remove') {
    if (isBase) throw forbidden(`Property ${name} may not be removed.`);
    if (!draft.properties.delete(name)) throw conflict(`Property ${name} does not exist.`);
    return;
  }
  if (op === 'replace' && !present) throw conflict(`Property ${name} does not exist.`);
  if (op === 'add' && present && change.draft === 4)
    throw conflict(`Property ${name} already present.`);
  if (name === 'tags') draft.tags = [...new Set(textsOf(value))];
  else if (isBase) draft.base[name] = value;
  else draft.properties.set(name, String(value));
}

function textsOf(value: unknown): string[] {
  if (!Array.isArray(value)) throw imageFailure('schema-invalid', { detail: 'tags is no list' });
  return value.map(String);
}
