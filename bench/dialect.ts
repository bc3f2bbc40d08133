/** How each dialect writes an operation, and how it reads a listing page. */
import aws4 from 'aws4';
import type { Session } from './session.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | null;
}

export interface Page {
  readonly names: readonly string[];
  /** Where the next page begins; absent on the last one. */
  readonly next: string | undefined;
}

export interface Dialect {
  container(method: 'PUT' | 'DELETE'): HttpRequest;
  object(method: 'GET' | 'PUT' | 'DELETE', name: string, body?: Buffer): HttpRequest;
  page(after: string | undefined, limit: number): HttpRequest;
  readPage(body: Buffer): Page;
}

export function dialectOf(session: Session, container: string): Dialect {
  return session.dialect === 'swift' ? swift(session, container) : s3(session, container);
}

function swift(session: Extract<Session, { dialect: 'swift' }>, container: string): Dialect {
  const base = `${session.basePath}/${container}`;
  const headers = { 'x-auth-token': session.token };
  const typed = { ...headers, 'content-type': 'application/octet-stream' };
  return {
    container: (method) => ({ method, path: base, headers, body: null }),
    object: (method, name, body) => ({
      method,
      path: `${base}/${name}`,
      headers: body ? typed : headers,
      body: body ?? null,
    }),
    page(after, limit) {
      const marker = after === undefined ? '' : `&marker=${encodeURIComponent(after)}`;
      return {
        method: 'GET',
        path: `${base}?format=json&limit=${limit}${marker}`,
        headers,
        body: null,
      };
    },
    readPage(body) {
      const rows: unknown = body.length === 0 ? [] : JSON.parse(body.toString('utf8'));
      const names = (Array.isArray(rows) ? rows : []).map((row: { name?: unknown }) =>
        String(row.name),
      );
      return { names, next: names.at(-1) };
    },
  };
}

/** Bodies are not hashed for the signature (UNSIGNED-PAYLOAD), so that the generator's cost stays small. */
function s3(session: Extract<Session, { dialect: 's3' }>, container: string): Dialect {
  const base = `${session.basePath}/${container}`;
  const host = new URL(session.origin).host;
  const keys = { accessKeyId: session.accessKey, secretAccessKey: session.secretKey };
  const sign = (method: HttpRequest['method'], path: string, body?: Buffer): HttpRequest => {
    const headers: Record<string, string> = { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' };
    const signed = aws4.sign(
      { service: 's3', region: session.region, host, method, path, headers },
      keys,
    );
    const sent = Object.entries(signed.headers ?? {}).filter(
      ([name]) => !/^(host|content-length)$/i.test(name),
    );
    const named = Object.fromEntries(sent.map(([name, value]) => [name, String(value)]));
    return { method, path, headers: named, body: body ?? null };
  };
  return {
    container: (method) => sign(method, base),
    object: (method, name, body) => sign(method, `${base}/${name}`, body),
    page(after, limit) {
      const start = after === undefined ? '' : `&start-after=${encodeURIComponent(after)}`;
      return sign('GET', `${base}?list-type=2&max-keys=${limit}${start}`);
    },
    readPage(body) {
      const text = body.toString('utf8');
      // Names here are our own, so no entity needs decoding.
      const names = [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1] ?? '');
      return { names, next: text.includes('<IsTruncated>true') ? names.at(-1) : undefined };
    },
  };
}
