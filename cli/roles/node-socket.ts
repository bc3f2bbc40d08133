/**
 * The unix socket on which a storage process also serves those of its own machine: without encryption, open to the process's
 * user alone, and both ends prove that they know the cluster's salt.
 */
import { hkdfSync } from 'node:crypto';
import type { Nearby } from '#wire';

/** In the process's `run` folder. */
export const nodeSocketName = 'wire.sock';

// The system takes 107 bytes; a longer path is left out, and TCP is used.
const pathBytesMax = 104;
const secretBytes = 32;

export function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) <= pathBytesMax;
}

export function nearbyAt(path: string, salt: Buffer): Nearby {
  const secret = hkdfSync('sha256', salt, '', 'pileus node socket', secretBytes);
  return { address: { path }, tls: { secret: Buffer.from(secret) } };
}
