/** Which bucket and key a request addresses: in the path, or the bucket in the host name. */

import { decodePercent } from './query.ts';
import type { RequestHead } from './request-head.ts';
import { S3Failure } from './s3-failure.ts';

export interface S3Address {
  /** Empty for the service itself. */
  readonly bucket: string;
  /** Empty for the bucket itself. */
  readonly key: string;
}

export const keyBytesMax = 1024;

export function parseBaseDomains(setting: string): readonly string[] {
  return setting
    .split(',')
    .map((domain) => domain.trim().toLowerCase())
    .filter((domain) => domain !== '');
}

export function addressOf(head: RequestHead, baseDomains: readonly string[]): S3Address {
  const virtual = virtualBucket(head.headers.get('host') ?? '', baseDomains);
  if (virtual !== undefined)
    return { bucket: virtual, key: checkedKey(decodePercent(head.path.slice(1))) };
  return pathAddress(head.path);
}

/** `/bucket/key`; everything behind the second slash is the key, further slashes included. */
export function pathAddress(path: string): S3Address {
  const slash = path.indexOf('/', 1);
  const bucket = decodePercent(slash < 0 ? path.slice(1) : path.slice(1, slash));
  if (bucket === '' && slash >= 0) throw new S3Failure('InvalidBucketName');
  return { bucket, key: slash < 0 ? '' : checkedKey(decodePercent(path.slice(slash + 1))) };
}

/** The bucket in a host name below one of the base domains. */
export function virtualBucket(host: string, baseDomains: readonly string[]): string | undefined {
  if (baseDomains.length === 0) return undefined;
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const base = baseDomains.find((domain) => name.endsWith(`.${domain}`));
  return base === undefined ? undefined : name.slice(0, -base.length - 1);
}

export function checkedKey(key: string): string {
  const bytes = key.length * 3 > keyBytesMax ? Buffer.byteLength(key) : 0;
  if (bytes > keyBytesMax)
    throw new S3Failure('KeyTooLongError', {
      details: { Size: String(bytes), MaxSizeAllowed: String(keyBytesMax) },
    });
  if (key.includes('\0'))
    throw new S3Failure('InvalidURI', { message: 'A key must not contain the NUL character.' });
  return key;
}

const nameForm = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** The naming rules for new buckets. */
export function isBucketName(name: string): boolean {
  return (
    nameForm.test(name) &&
    !/\.\.|\.-|-\./.test(name) &&
    !/^\d{1,3}(\.\d{1,3}){3}$/.test(name) &&
    !/^(xn--|sthree-|amzn-s3-demo-)/.test(name) &&
    !/(-s3alias|--ol-s3|\.mrap|--x-s3)$/.test(name)
  );
}
