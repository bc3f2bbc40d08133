/** The head of a request as it was sent: nothing decoded, since signatures cover the bytes on the wire. */

export interface RequestHead {
  readonly method: string;
  /** The path before `?`, still percent-encoded; characters are bytes (latin1). */
  readonly path: string;
  /** The query after `?`, still encoded; empty for none. */
  readonly query: string;
  /** Lower-case name → value as bytes (latin1); values of a repeated header joined by commas, in order. */
  readonly headers: ReadonlyMap<string, string>;
}

/** `rawHeaders` as Node gives them: name, value, name, value … */
export function readHead(method: string, url: string, rawHeaders: readonly string[]): RequestHead {
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const query = question < 0 ? '' : url.slice(question + 1);
  const headers = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    const value = rawHeaders[at + 1] ?? '';
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before},${value}`);
  }
  return { method, path: absolutePath(path), query, headers };
}

/** A proxy-style request line (`GET http://host/path`) keeps only its path. */
function absolutePath(path: string): string {
  if (path.startsWith('/')) return path;
  const scheme = /^https?:\/\/[^/]*/i.exec(path);
  const rest = scheme === null ? path : path.slice(scheme[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
