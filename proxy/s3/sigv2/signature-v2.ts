/**
 * Signature version 2: HMAC-SHA1 over method, three headers, `x-amz-*` headers and resource. boto3 still makes such URLs by default
 * for endpoints of its oldest region, and old tools sign every request so.
 */
import { createHmac } from 'node:crypto';
import { decodePercent } from '../query.ts';
import type { RequestHead } from '../request-head.ts';

export interface V2Claim {
  readonly accessKey: string;
  /** Seconds since 1970. */
  readonly expiresS: number;
  /** Base64. */
  readonly signature: string;
}

/** Undefined when the parameters are not all there or not of their form. */
export function parseV2Claim(query: ReadonlyMap<string, string>): V2Claim | undefined {
  const accessKey = query.get('AWSAccessKeyId') ?? '';
  const expires = query.get('Expires') ?? '';
  const signature = query.get('Signature') ?? '';
  const right = accessKey !== '' && /^\d{1,12}$/.test(expires) && signature.length === 28;
  return right ? { accessKey, expiresS: Number(expires), signature } : undefined;
}

/** Query parameters that name what the request is about, and so are part of the resource. */
export const subresources: ReadonlySet<string> = new Set([
  ...[
    'abac',
    'annotation',
    'annotations',
    'metadataJournalTable',
    'accelerate',
    'acl',
    'analytics',
    'cors',
    'defaultObjectAcl',
    'delete',
    'encryption',
  ],
  ...['intelligent-tiering', 'ownershipControls', 'policyStatus', 'session', 'renameObject'],
  ...['metadataConfiguration', 'metadataTable', 'metadataInventoryTable', 'storageClass'],
  ...['inventory', 'lifecycle', 'location', 'logging', 'metrics', 'notification', 'object-lock'],
  ...['partNumber', 'policy', 'publicAccessBlock', 'replication', 'requestPayment', 'restore'],
  ...['retention', 'legal-hold', 'tagging', 'torrent', 'uploadId', 'uploads', 'versionId'],
  ...['versioning', 'versions', 'website', 'attributes', 'select', 'select-type'],
  ...['response-cache-control', 'response-content-disposition', 'response-content-encoding'],
  ...['response-content-language', 'response-content-type', 'response-expires'],
]);

export interface V2Place {
  /** The bucket when it stands in the host name: it is part of the resource, and not of the path. */
  readonly virtualBucket: string | undefined;
  /** Whether `?policy=` is signed as `policy`, as Go's clients do, and not with its sign, as Python's do. */
  readonly bareWhenEmpty?: boolean;
}

/** `date`: the `Date` header, or the expiry of a presigned URL. Its characters are bytes (latin1). */
export function stringToSignV2(head: RequestHead, date: string, place: V2Place): string {
  const header = (name: string) => head.headers.get(name) ?? '';
  const lines = [head.method, header('content-md5'), header('content-type'), date];
  const amz = [...head.headers.keys()].filter((name) => name.startsWith('x-amz-')).sort();
  for (const name of amz) lines.push(`${name}:${header(name).trim()}`);
  const bucket = place.virtualBucket === undefined ? '' : `/${place.virtualBucket}`;
  const resource = canonicalSubresources(head.query, place.bareWhenEmpty === true);
  lines.push(`${bucket}${head.path}${resource}`);
  return lines.join('\n');
}

/** Whether a parameter that names the resource has a sign and nothing behind it: clients disagree on how to sign that. */
export function hasEmptySubresource(rawQuery: string): boolean {
  return rawQuery
    .split('&')
    .some((piece) => piece.endsWith('=') && subresources.has(piece.slice(0, -1)));
}

/** Sorted by name; values decoded. */
function canonicalSubresources(rawQuery: string, bareWhenEmpty: boolean): string {
  const found: { readonly name: string; readonly text: string }[] = [];
  for (const piece of rawQuery.split('&')) {
    const equals = piece.indexOf('=');
    // As it is read later: `%61cl` is `acl`, and must not be left unsigned.
    const name = decodePercent(equals < 0 ? piece : piece.slice(0, equals));
    if (!subresources.has(name)) continue;
    const value = equals < 0 ? '' : decodePercent(piece.slice(equals + 1));
    const bare = equals < 0 || (bareWhenEmpty && value === '');
    const text = bare ? name : `${name}=${Buffer.from(value, 'utf8').toString('latin1')}`;
    found.push({ name, text });
  }
  if (found.length === 0) return '';
  found.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
  return `?${found.map(({ text }) => text).join('&')}`;
}

export function signV2(secret: string, text: string): string {
  return createHmac('sha1', secret).update(text, 'latin1').digest('base64');
}
