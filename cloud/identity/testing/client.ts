/** A plain HTTP client of a test cloud. */
import { request } from 'undici';
import type { TestCloud } from './cloud.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The parsed body; an empty object when there was none. */
  readonly body: Json;
  readonly text: string;
}

/** Parsed JSON that tests may look into without ceremony: what is not there is undefined. */
export interface Json {
  readonly [name: string]: JsonValue;
}
export type JsonValue = string | number | boolean | null | undefined | Json | readonly Json[];

export interface CallOptions {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly raw?: string | Buffer;
}

export async function call(
  cloud: Pick<TestCloud, 'server'>,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const headers: Record<string, string> = { ...options.headers };
  if (options.token !== undefined) headers['x-auth-token'] = options.token;
  let payload = options.raw;
  if (options.body !== undefined) {
    headers['content-type'] ??= 'application/json';
    payload = JSON.stringify(options.body);
  }
  const response = await request(`${cloud.server.url}${path}`, {
    method: method as 'GET',
    headers,
    ...(payload === undefined ? {} : { body: payload }),
  });
  const text = await response.body.text();
  return {
    status: response.statusCode,
    headers: response.headers,
    body: text === '' ? {} : JSON.parse(text),
    text,
  };
}

export interface LogIn {
  readonly name: string;
  readonly password: string;
  readonly domain?: string;
  readonly scope?: unknown;
}

export const authBody = ({ name, password, domain = 'Default', scope }: LogIn) => ({
  auth: {
    identity: {
      methods: ['password'],
      password: { user: { name, domain: { name: domain }, password } },
    },
    ...(scope === undefined ? {} : { scope }),
  },
});

export const inProject = (name: string, domain = 'Default') => ({
  project: { name, domain: { name: domain } },
});

/** Logs in and returns the token; throws when that is refused. */
export async function logIn(cloud: TestCloud, who: LogIn): Promise<string> {
  const answer = await call(cloud, 'POST', '/v3/auth/tokens', { body: authBody(who) });
  const token = answer.headers['x-subject-token'];
  if (answer.status !== 201 || typeof token !== 'string')
    throw new Error(`log-in of ${who.name} answered ${answer.status} ${answer.text}`);
  return token;
}

export const adminToken = (cloud: TestCloud, scope: unknown = inProject('admin')) =>
  logIn(cloud, { name: cloud.admin.username, password: cloud.admin.password, scope });

/** A text field of an answer, by path. */
export function textAt(answer: Answer, path: string): string {
  let value: unknown = answer.body;
  for (const name of path.split('.')) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  }
  if (typeof value !== 'string')
    throw new Error(`no text at ${path} in ${answer.status} ${answer.text}`);
  return value;
}
