/**
 * Secrets at rest (S3 secret keys, token signing keys): AES-256-GCM under a key that is kept beside the state, not in
 * it, so that a copy of the database alone gives nothing away. `v1.` + base64url(nonce ‖ tag ‖ ciphertext).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { dirname } from 'node:path';
import { type Disk, Failure, type Random, readWhole, replaceWhole } from '#common';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const prefix = 'v1.';

/** Reads the sealing key, or makes it at the first start. A file of another length is refused, never replaced. */
export async function ensureSealingKey(disk: Disk, path: string, random: Random): Promise<Buffer> {
  if (await disk.exists(path)) {
    const key = await readWhole(disk, path, 1024);
    if (key.length === keyBytes) return key;
    throw new Failure(
      'corrupt',
      'sealing-key-damaged',
      'The key of the stored secrets is damaged',
      {
        facts: { path, bytes: key.length, expected: keyBytes },
      },
    );
  }
  const key = random.bytes(keyBytes);
  await disk.makeDirectory(dirname(path));
  await replaceWhole(disk, path, key);
  return key;
}

export class Sealer {
  private readonly key: Uint8Array;
  private readonly random: Random;

  constructor(key: Uint8Array, random: Random) {
    if (key.length !== keyBytes)
      throw new Failure('invalid', 'sealing-key-invalid', 'The sealing key must have 32 bytes');
    this.key = key;
    this.random = random;
  }

  /** `purpose` names the row the secret belongs to: a sealed value moved to another row does not open. */
  seal(purpose: string, secret: string): string {
    const nonce = this.random.bytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce);
    cipher.setAAD(Buffer.from(purpose));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return prefix + Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  open(purpose: string, sealed: string): string {
    const whole = Buffer.from(sealed.slice(prefix.length), 'base64url');
    if (!sealed.startsWith(prefix) || whole.length < nonceBytes + tagBytes) throw damaged(purpose);
    const decipher = createDecipheriv('aes-256-gcm', this.key, whole.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(Buffer.from(purpose));
    decipher.setAuthTag(whole.subarray(nonceBytes, nonceBytes + tagBytes));
    try {
      const opened = decipher.update(whole.subarray(nonceBytes + tagBytes));
      return Buffer.concat([opened, decipher.final()]).toString('utf8');
    } catch (error) {
      throw damaged(purpose, error);
    }
  }
}

function damaged(purpose: string, cause?: unknown): Failure {
  return new Failure(
    'corrupt',
    'sealed-secret-damaged',
    'A stored secret does not open: it is damaged, or the sealing key is another one',
    { facts: { purpose }, cause },
  );
}
