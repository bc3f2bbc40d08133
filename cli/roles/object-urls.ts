/** The URLs under which this cloud's own objects are known: what Swift and S3 clients use, and `swift://`, `s3://` for short. */
import type { Endpoints } from '../cloud-types.ts';

export interface UrlObject {
  /** Absent where the name of the bucket alone says whose it is. */
  readonly account?: string;
  readonly bucket: string;
  readonly object: string;
}

/** What is said here of an object; undefined for URLs of elsewhere, and for those that carry a query, which are requests of their own. */
export function objectUrlReader(endpoints: Endpoints): (text: string) => UrlObject | undefined {
  const api = new URL(endpoints.api);
  const swift = new URL(endpoints.swift);
  const s3 = new URL(endpoints.s3);
  return (text) => {
    if (text.length > 4_096 || !URL.canParse(text)) return undefined;
    const url = new URL(text);
    if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
      return undefined;
    const path = pathOf(text);
    if (url.protocol === 'swift:' || url.protocol === 's3:') return byScheme(text);
    if (sameServer(url, swift)) return swiftPath(path);
    if (sameServer(url, s3)) return bucketPath(path);
    if (!sameServer(url, api)) return undefined;
    if (path.startsWith('/object-store/')) return swiftPath(path.slice('/object-store'.length));
    if (path.startsWith('/s3/')) return bucketPath(path.slice('/s3'.length));
    return undefined;
  };
}

const loopback = (host: string) => (host === 'localhost' ? '127.0.0.1' : host);

const sameServer = (a: URL, b: URL) =>
  a.protocol === b.protocol && a.port === b.port && loopback(a.hostname) === loopback(b.hostname);

/** As it was written: names of objects may hold what `URL` would tidy away (`..`, `//`). */
const pathOf = (text: string) => /^[a-z0-9+.-]+:\/\/[^/]*(\/.*)?$/i.exec(text)?.[1] ?? '/';

/** `swift://container/object`, of one's own project; `s3://bucket/key`. */
function byScheme(text: string): UrlObject | undefined {
  const bucket = decoded(/^[a-z0-9]+:\/\/([^/]+)\//i.exec(text)?.[1]);
  return named(bucket, decoded(pathOf(text).slice(1)));
}

function swiftPath(path: string): UrlObject | undefined {
  const [, account, bucket, object] = /^\/v1\/([^/]+)\/([^/]+)\/(.+)$/.exec(path) ?? [];
  const found = named(decoded(bucket), decoded(object));
  const of = decoded(account);
  return found === undefined || of === undefined ? undefined : { ...found, account: of };
}

function bucketPath(path: string): UrlObject | undefined {
  const [, bucket, object] = /^\/([^/]+)\/(.+)$/.exec(path) ?? [];
  return named(decoded(bucket), decoded(object));
}

function named(bucket: string | undefined, object: string | undefined): UrlObject | undefined {
  if (bucket === undefined || object === undefined || object === '') return undefined;
  return { bucket, object };
}

function decoded(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
