/** A login: plain data that can be handed to the threads that make the load. */
import { request } from 'undici';
import { Failure } from '#common';
import { parseUrl, type Target } from './target.ts';

export type ObjectTarget = Exclude<Target, { kind: 'nbd' }>;

export interface SwiftSession {
  readonly dialect: 'swift';
  readonly origin: string;
  /** Path of the account, without a slash at its end. */
  readonly basePath: string;
  readonly token: string;
}

export interface S3Session {
  readonly dialect: 's3';
  readonly origin: string;
  readonly basePath: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
}

export type Session = SwiftSession | S3Session;

const LOGIN_MS = 30_000;

export async function openSession(target: ObjectTarget): Promise<Session> {
  if (target.kind === 's3') {
    const url = parseUrl(target.endpoint);
    return {
      dialect: 's3',
      origin: url.origin,
      basePath: url.pathname.replace(/\/$/, ''),
      accessKey: target.access_key,
      secretKey: target.secret_key,
      region: target.region ?? 'us-east-1',
    };
  }
  return target.kind === 'swift' ? await loginV1(target) : await loginV3(target);
}

async function loginV1(target: Extract<Target, { kind: 'swift' }>): Promise<SwiftSession> {
  const answer = await login(target.auth, {
    method: 'GET',
    headers: { 'x-auth-user': target.user, 'x-auth-key': target.key },
  });
  return swiftSession(
    headerOf(answer.headers['x-auth-token']),
    headerOf(answer.headers['x-storage-url']),
  );
}

async function loginV3(target: Extract<Target, { kind: 'keystone' }>): Promise<SwiftSession> {
  const domain = { name: target.domain ?? 'Default' };
  const user = { name: target.username, password: target.password, domain };
  const identity = { methods: ['password'], password: { user } };
  const scope = { project: { name: target.project, domain } };
  const answer = await login(`${target.auth.replace(/\/$/, '')}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: { identity, scope } }),
  });
  return swiftSession(headerOf(answer.headers['x-subject-token']), findObjectStore(answer.body));
}

interface LoginRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Record<string, string>;
  readonly body?: string;
}

async function login(url: string, what: LoginRequest) {
  const answer = await request(url, { ...what, signal: AbortSignal.timeout(LOGIN_MS) }).catch(
    (cause: unknown) => {
      throw new Failure('unreachable', 'bench-login', 'The login address does not answer', {
        facts: { url },
        cause,
      });
    },
  );
  const body = await answer.body.text();
  if (answer.statusCode >= 300) {
    const facts = { url, status: answer.statusCode };
    throw new Failure('denied', 'bench-login', 'The login was refused', { facts });
  }
  return { headers: answer.headers, body };
}

function swiftSession(token: string | undefined, storageUrl: string | undefined): SwiftSession {
  if (!token || !storageUrl) {
    throw new Failure('invalid', 'bench-login', 'The login gave no token or no object store');
  }
  const url = parseUrl(storageUrl);
  return { dialect: 'swift', origin: url.origin, basePath: url.pathname.replace(/\/$/, ''), token };
}

const headerOf = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;

/** The public URL of the first object store in a Keystone catalog. */
function findObjectStore(body: string): string | undefined {
  const document: unknown = JSON.parse(body);
  for (const service of listAt(document, 'token', 'catalog')) {
    if (at(service, 'type') !== 'object-store') continue;
    for (const endpoint of listAt(service, 'endpoints')) {
      const url = at(endpoint, 'url');
      if (at(endpoint, 'interface') === 'public' && typeof url === 'string') return url;
    }
  }
  return undefined;
}

function at(value: unknown, ...path: string[]): unknown {
  let found = value;
  for (const key of path) {
    found = typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined;
  }
  return found;
}

function listAt(value: unknown, ...path: string[]): unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}
