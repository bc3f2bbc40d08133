/** Where an object that was made can be fetched: under the address that it was sent to. */
import type { S3Request } from './context.ts';
import { uriEncode } from './sigv4/uri-encode.ts';

export function objectLocation({ head, bucket, key, secure, prefix }: S3Request): string {
  const host = head.headers.get('host') ?? '';
  const scheme = secure ? 'https' : 'http';
  return `${scheme}://${host}${prefix}/${uriEncode(bucket, false)}/${uriEncode(key, true)}`;
}
