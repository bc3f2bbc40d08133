/** The canonical request of AWS signature version 4, in S3's flavour: the path is encoded once and never normalized. */
import type { RequestHead } from '../request-head.ts';
import { canonicalizePath, canonicalizeQueryWord } from './uri-encode.ts';

export interface CanonicalOptions {
  /** In the client's order. */
  readonly signedHeaders: readonly string[];
  /** The same, joined by `;`. */
  readonly signedText?: string;
  readonly payloadHash: string;
  /** A query parameter left out: the signature itself of a presigned request. */
  readonly withoutQuery?: string | undefined;
}

/** Its characters are bytes (latin1): hash it as such. */
export function canonicalRequest(head: RequestHead, options: CanonicalOptions): string {
  const { signedHeaders, payloadHash } = options;
  const signedText = options.signedText ?? signedHeaders.join(';');
  let headers = '';
  for (const name of signedHeaders)
    headers += `${name}:${canonicalHeaderValue(head.headers.get(name) ?? '')}\n`;
  const path = canonicalizePath(head.path);
  const query = canonicalQuery(head.query, options.withoutQuery);
  return `${head.method}\n${path}\n${query}\n${headers}\n${signedText}\n${payloadHash}`;
}

/** Pairs sorted by encoded name, then value; `name` alone counts as `name=`. */
export function canonicalQuery(rawQuery: string, without?: string): string {
  if (rawQuery === '') return '';
  const pairs: (readonly [string, string])[] = [];
  for (const piece of rawQuery.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = canonicalizeQueryWord(equals < 0 ? piece : piece.slice(0, equals));
    if (name === without) continue;
    pairs.push([name, equals < 0 ? '' : canonicalizeQueryWord(piece.slice(equals + 1))]);
  }
  if (pairs.length > 1) pairs.sort(([a, x], [b, y]) => compareAscii(a, b) || compareAscii(x, y));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function compareAscii(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Trimmed, runs of spaces as one. */
export function canonicalHeaderValue(value: string): string {
  const trimmed = value.trim();
  return trimmed.includes('  ') ? trimmed.replace(/ {2,}/g, ' ') : trimmed;
}
