/**
 * Attributes as declarations, and request bodies against them, in the words of Neutron: which may be given when, what they
 * are when they are not, and how their values are read.
 */
import { badRequest, fail } from '../failures.ts';

/** Reads a value: returns what is stored, or throws a `Wrong` that says what is not right about it. */
export type Reader = (value: unknown) => unknown;

export class Wrong extends Error {}

export interface Attribute {
  /** May be given when it is made (`post`) and changed later (`put`). */
  readonly post: boolean;
  readonly put: boolean;
  readonly read: Reader;
  /** What it is when it is not given; without one it must be given. */
  readonly default?: unknown;
  /** Not given, it stays out: the resource decides. */
  readonly optional?: boolean;
  /** Never answered, as where only its effect is. */
  readonly hidden?: boolean;
  readonly filter: boolean;
  readonly sort: boolean;
  /** Its own policy rules' names, when it has any: `create_network:shared`. */
  readonly policed?: boolean;
}

export type Attributes = Readonly<Record<string, Attribute>>;

type Extra = Partial<Pick<Attribute, 'hidden' | 'policed' | 'filter' | 'sort'>>;

const declared = (more: Partial<Attribute> & { read: Reader }): Attribute => ({
  post: true,
  put: true,
  filter: true,
  sort: true,
  ...more,
});

/** Given or changed at any time; `byDefault` when not given. */
export const open = (read: Reader, byDefault: unknown, extra: Extra = {}): Attribute =>
  declared({ read, default: byDefault, ...extra });
/** Given at the start only. */
export const atStart = (read: Reader, byDefault: unknown, extra: Extra = {}): Attribute =>
  declared({ read, put: false, default: byDefault, ...extra });
/** Must be given at the start, and stays. */
export const required = (read: Reader, extra: Extra & { put?: boolean } = {}): Attribute =>
  declared({ read, put: false, ...extra });
/** Left to the resource when it is not given. */
export const decided = (read: Reader, extra: Extra & { put?: boolean } = {}): Attribute =>
  declared({ read, optional: true, ...extra });
/** Answered only. */
export const shown = (extra: Extra = {}): Attribute =>
  declared({ read: (value) => value, post: false, put: false, ...extra });

/** What every resource has. */
export const standard = (nameReader: Reader): Attributes => ({
  id: shown(),
  name: open(nameReader, ''),
  project_id: decided(projectReader, { put: false }),
  tenant_id: decided(projectReader, { put: false }),
  description: open(descriptionReader, ''),
  tags: shown({ filter: false, sort: false }),
  created_at: shown(),
  updated_at: shown(),
  revision_number: shown(),
});

const projectReader: Reader = (value) => {
  if (typeof value !== 'string' || value.length > 255)
    throw new Wrong(`'${shownValue(value)}' is not a valid string`);
  return value;
};

const descriptionReader: Reader = (value) => {
  if (value === null) return '';
  if (typeof value !== 'string') throw new Wrong(`'${shownValue(value)}' is not a valid string`);
  if (value.length > 255) throw new Wrong(`'${value.slice(0, 64)}' exceeds maximum length of 255`);
  return value;
};

export function shownValue(value: unknown): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'None')).slice(0, 200);
}

export type Input = Readonly<Record<string, unknown>>;

/** What a body gives, read; `explicit` names what was really in it. */
export interface ReadBody {
  readonly values: Input;
  readonly explicit: ReadonlySet<string>;
}

export function readBody(attributes: Attributes, body: unknown, verb: 'post' | 'put'): ReadBody {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw badRequest('Invalid input for operation: the body is not an object.');
  const given = Object.entries(body);
  const unknown = given.map(([name]) => name).filter((name) => !Object.hasOwn(attributes, name));
  if (unknown.length > 0)
    throw badRequest(`Unrecognized attribute(s) '${unknown.join(', ').slice(0, 200)}'`);
  const values: Record<string, unknown> = {};
  for (const [name, value] of given) {
    const attribute = attributes[name];
    if (attribute?.[verb] !== true)
      throw badRequest(
        verb === 'put'
          ? `Cannot update read-only attribute ${name}`
          : `Attribute '${name}' not allowed in POST`,
      );
    values[name] = readValue(name, attribute, value);
  }
  if (verb === 'post') fillIn(attributes, values);
  joinProject(values);
  return { values, explicit: new Set(given.map(([name]) => name)) };
}

function readValue(name: string, attribute: Attribute, value: unknown): unknown {
  try {
    return attribute.read(value);
  } catch (error) {
    if (error instanceof Wrong)
      throw fail('http-bad-request', `Invalid input for ${name}. Reason: ${error.message}.`);
    throw error;
  }
}

function fillIn(attributes: Attributes, values: Record<string, unknown>): void {
  for (const [name, attribute] of Object.entries(attributes)) {
    if (Object.hasOwn(values, name) || !attribute.post || attribute.optional === true) continue;
    if (attribute.default === undefined)
      throw badRequest(`Failed to parse request. Required attribute '${name}' not specified`);
    values[name] = attribute.default;
  }
}

/** `tenant_id` is the older name of `project_id`; they may not differ. */
function joinProject(values: Record<string, unknown>): void {
  const { tenant_id, project_id } = values;
  if (tenant_id === undefined) return;
  if (project_id !== undefined && project_id !== tenant_id)
    throw badRequest("'project_id' and 'tenant_id' do not match");
  values.project_id = tenant_id;
  delete values.tenant_id;
}
