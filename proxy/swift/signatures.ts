/** Signatures as clients write them: hex, or `sha256:` and base64 in either alphabet. Pure. */
import { Buffer } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';

export type Digest = 'sha1' | 'sha256' | 'sha512';

export interface Signature {
  readonly digest: Digest;
  readonly bytes: Buffer;
}

const byLength: Readonly<Record<number, Digest>> = { 20: 'sha1', 32: 'sha256', 64: 'sha512' };

export function readSignature(text: string): Signature | undefined {
  const prefixed = /^(sha1|sha256|sha512):([A-Za-z0-9+/_-]{1,100}={0,2})$/.exec(text);
  if (prefixed !== null) {
    const bytes = Buffer.from(prefixed[2] ?? '', 'base64');
    const digest = byLength[bytes.length];
    return digest !== undefined && digest === prefixed[1] ? { digest, bytes } : undefined;
  }
  if (!/^(?:[0-9a-fA-F]{2}){20,64}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'hex');
  const digest = byLength[bytes.length];
  return digest === undefined ? undefined : { digest, bytes };
}

export function isSignature({ bytes }: Signature, wanted: Buffer): boolean {
  return bytes.length === wanted.length && timingSafeEqual(bytes, wanted);
}
