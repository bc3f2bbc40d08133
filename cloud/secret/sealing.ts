/**
 * How payloads lie in the database: each under a key of its own, which the cloud's key store seals with its newest master key.
 * The secret's id is authenticated with the text, so that no row opens under another's name. `docs/formats/secret-payload.md`.
 */
import { Buffer } from 'node:buffer';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { Failure, type Random } from '#common';

/** Master keys in versions; what was sealed by an older one still opens. */
export interface MasterKeys {
  makeKey(name: string): Promise<{ readonly key: Buffer; readonly sealed: string }>;
  openKey(name: string, sealed: string): Promise<Buffer>;
}

export interface SealedPayload {
  readonly payload: string;
  readonly sealed_key: string;
}

/** The master key's name: `pileus key rotate secrets` makes a new version of it. */
export const masterKeyName = 'secrets';
const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + nonceBytes + tagBytes;

export class Sealing {
  private readonly keys: MasterKeys;
  private readonly random: Random;

  constructor(keys: MasterKeys, random: Random) {
    this.keys = keys;
    this.random = random;
  }

  async seal(secretId: string, payload: Buffer): Promise<SealedPayload> {
    const { key, sealed } = await this.keys.makeKey(masterKeyName);
    const text = sealBytes(key, secretId, payload, this.random.bytes(nonceBytes));
    return { payload: text.toString('base64'), sealed_key: sealed };
  }

  async open(secretId: string, sealed: SealedPayload): Promise<Buffer> {
    const key = await this.keys.openKey(masterKeyName, sealed.sealed_key);
    return openBytes(key, secretId, Buffer.from(sealed.payload, 'base64'));
  }
}

export function sealBytes(key: Buffer, secretId: string, payload: Buffer, nonce: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(secretId));
  const text = Buffer.concat([cipher.update(payload), cipher.final()]);
  return Buffer.concat([Buffer.from([version]), nonce, cipher.getAuthTag(), text]);
}

export function openBytes(key: Buffer, secretId: string, bytes: Buffer): Buffer {
  if (bytes.length < headBytes || bytes[0] !== version)
    throw corrupt('secret-format', { version: bytes[0] ?? -1, length: bytes.length });
  const nonce = bytes.subarray(1, 1 + nonceBytes);
  const opener = createDecipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(secretId));
  opener.setAuthTag(bytes.subarray(1 + nonceBytes, headBytes));
  try {
    return Buffer.concat([opener.update(bytes.subarray(headBytes)), opener.final()]);
  } catch (cause) {
    throw corrupt('secret-unopened', { secretId }, cause);
  }
}

function corrupt(code: string, facts: Record<string, string | number>, cause?: unknown): Failure {
  return new Failure('corrupt', code, 'A stored payload does not open', { facts, cause });
}
