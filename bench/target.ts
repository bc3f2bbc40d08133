/**
 * What is measured: an address with credentials, and where its processes and files are when they are local.
 *
 * Forms: `swift+http://USER:KEY@HOST:PORT/auth/v1.0`, `s3+http://ACCESS:SECRET@HOST:PORT[?region=R]`,
 * `keystone+http://USER:PASSWORD@HOST:PORT/v3?project=P[&domain=D]`, `nbd://…`, `nbd+unix://…`, or the path of a
 * JSON file: a target as in docs/formats/bench-result.md, or what `pileus up --json` printed.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure } from '#common';

const text = Type.String({ minLength: 1, maxLength: 4096 });
const server = Type.Optional(
  Type.Object({
    /** Processes of the server; their descendants count too. */
    pids: Type.Optional(Type.Array(Type.Integer({ minimum: 1 }), { maxItems: 1024 })),
    /** Every `*.pid`, or `pid`, in this folder names one. */
    pid_folder: Type.Optional(text),
    /** Where the server keeps its data, to measure bytes on disk. */
    data_folder: Type.Optional(text),
  }),
);
const name = Type.Optional(Type.String({ minLength: 1, maxLength: 64 }));

export const TargetSchema = Type.Union([
  Type.Object({ kind: Type.Literal('swift'), name, auth: text, user: text, key: text, server }),
  Type.Object({
    ...{ kind: Type.Literal('keystone'), name, auth: text, username: text, password: text },
    ...{ project: text, domain: Type.Optional(text), server },
  }),
  Type.Object({
    ...{ kind: Type.Literal('s3'), name, endpoint: text, access_key: text, secret_key: text },
    ...{ region: Type.Optional(text), server },
  }),
  Type.Object({ kind: Type.Literal('nbd'), name, uri: text, server }),
]);
export type Target = Static<typeof TargetSchema>;
export type ServerPlace = NonNullable<Target['server']>;

/** The part of `pileus up --json` that is needed here. */
const UpSchema = Type.Object({
  endpoints: Type.Object({ s3: text, swift_auth_v1: text, identity: text }),
  admin: Type.Object({ username: text, password: text, project: text, domain: text }),
  s3: Type.Object({ access_key: text, secret_key: text }),
  data: Type.Optional(text),
});

export const dialects = ['swift', 'keystone', 's3'] as const;
export type Dialect = (typeof dialects)[number];

export interface TargetOptions {
  /** Which of its dialects to speak to a cloud that has several. */
  readonly dialect?: Dialect | undefined;
  readonly server?: ServerPlace | undefined;
  readonly name?: string | undefined;
}

/** Reads a target from its text form or file; what the options say is laid over it. */
export function parseTarget(given: string, options: TargetOptions = {}): Target {
  const parsed = fromUrl(given) ?? fromFile(given, options.dialect ?? 'swift');
  const merged = { ...parsed.server, ...options.server };
  return {
    ...parsed,
    name: options.name ?? parsed.name ?? defaultName(parsed),
    ...(Object.keys(merged).length > 0 && { server: merged }),
  };
}

function fromUrl(given: string): Target | undefined {
  if (given.startsWith('nbd://') || given.startsWith('nbd+unix://'))
    return { kind: 'nbd', uri: given };
  const match = /^(swift|s3|keystone)\+(https?:\/\/.*)$/.exec(given);
  if (!match) return undefined;
  const url = parseUrl(match[2] ?? '');
  const [user, key] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  if (user === '' || key === '')
    throw invalid('bench-target', 'A target needs USER:KEY@ before its host');
  const region = url.searchParams.get('region');
  const project = url.searchParams.get('project');
  const domain = url.searchParams.get('domain');
  const address = `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}`;
  if (match[1] === 'swift')
    return { kind: 'swift', auth: address, ...splitSwiftUser(url, user, key) };
  if (match[1] === 's3') {
    return {
      kind: 's3',
      endpoint: address,
      access_key: user,
      secret_key: key,
      ...(region && { region }),
    };
  }
  if (!project) throw invalid('bench-target', 'A Keystone target needs ?project=');
  const who = { username: user, password: key, project, ...(domain && { domain }) };
  return { kind: 'keystone', auth: address, ...who };
}

/** TempAuth users have a colon in them, so `project:user:key@` is read as two names and a key. */
function splitSwiftUser(url: URL, user: string, key: string): { user: string; key: string } {
  const parts = decodeURIComponent(url.password).split(':');
  if (parts.length < 2 || user.includes(':')) return { user, key };
  return { user: `${user}:${parts[0]}`, key: parts.slice(1).join(':') };
}

function fromFile(path: string, dialect: Dialect): Target {
  let content: string;
  try {
    content = fs.readFileSync(path, 'utf8');
  } catch (error) {
    const facts = { given: redact(path) };
    throw new Failure('missing', 'bench-target', 'No such target: neither a known URL nor a file', {
      facts,
      cause: error,
    });
  }
  const document = parseJson(content, path);
  if (Value.Check(UpSchema, document)) return fromUp(document, dialect);
  return check(TargetSchema, document, path);
}

function fromUp(up: Static<typeof UpSchema>, dialect: Dialect): Target {
  const { endpoints, admin, s3, data } = up;
  // The cloud tells where it lives: when that is here, its processes and files can be watched.
  const local = data !== undefined && fs.existsSync(join(data, 'run'));
  const server = local && { server: { pid_folder: join(data, 'run'), data_folder: data } };
  const common = { name: 'pileus', ...server };
  if (dialect === 's3') return { kind: 's3', endpoint: endpoints.s3, ...s3, ...common };
  if (dialect === 'keystone') {
    return { kind: 'keystone', auth: endpoints.identity, ...admin, ...common };
  }
  const user = `${admin.project}:${admin.username}`;
  return { kind: 'swift', auth: endpoints.swift_auth_v1, user, key: admin.password, ...common };
}

function defaultName(target: Target): string {
  if (target.kind === 'nbd') return 'nbd';
  return `${target.kind} ${parseUrl(target.kind === 's3' ? target.endpoint : target.auth).host}`;
}

/** A target as it may be written into a result: without secrets. */
export function describeTarget(target: Target): {
  name: string;
  kind: Target['kind'];
  address: string;
} {
  const address =
    target.kind === 'nbd' ? target.uri : target.kind === 's3' ? target.endpoint : target.auth;
  return { name: target.name ?? defaultName(target), kind: target.kind, address };
}

export function parseUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url) throw invalid('bench-url', 'Not a URL', redact(value));
  return url;
}

export function parseJson(content: string, path: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new Failure('invalid', 'bench-json', 'Not JSON', { facts: { path }, cause: error });
  }
}

/** Parses outside data: the first thing that is wrong is named. */
export function check<T extends TSchema>(schema: T, value: unknown, where: string): Static<T> {
  if (Value.Check(schema, value)) return value as Static<T>;
  const [first] = Value.Errors(schema, value);
  const facts = { where, at: first?.instancePath ?? '', problem: first?.message ?? '' };
  throw new Failure('invalid', 'bench-document', 'Not of the expected form', { facts });
}

const redact = (value: string): string => value.replace(/\/\/[^@/]*@/, '//…@');

function invalid(code: string, sentence: string, given?: string): Failure {
  return new Failure('invalid', code, sentence, given === undefined ? {} : { facts: { given } });
}
