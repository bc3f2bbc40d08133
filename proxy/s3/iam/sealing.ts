/** Secrets that leave this process or lie in rows: AES-256-GCM under keys made of the cluster's secret, one for each purpose. */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { Random } from '#common';

const nonceBytes = 12;
const tagBytes = 16;

export class Sealer {
  private readonly key: Buffer;
  private readonly random: Random;

  constructor(secret: Buffer, purpose: string, random: Random) {
    this.key = Buffer.from(hkdfSync('sha256', secret, '', `pileus ${purpose}`, 32));
    this.random = random;
  }

  seal(text: string): string {
    const nonce = this.random.bytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce);
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /** Undefined for what this sealer did not seal. */
  open(sealed: string): string | undefined {
    const raw = Buffer.from(sealed, 'base64');
    if (raw.length < nonceBytes + tagBytes) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.key, raw.subarray(0, nonceBytes));
    decipher.setAuthTag(raw.subarray(nonceBytes, nonceBytes + tagBytes));
    try {
      const text = decipher.update(raw.subarray(nonceBytes + tagBytes));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }
}
