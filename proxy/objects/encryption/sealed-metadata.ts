/**
 * User metadata at rest under a key that is made from the key of the object's bytes: its values, and its names with them, as one sealed text
 * among the object's system fields. Whoever holds an `ObjectInfo` outside of this room holds it opened.
 */
import { Buffer } from 'node:buffer';
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { objectFailure } from '../failures.ts';
import { type Fields, noFields } from '../fields.ts';

/** Present, even where there is no metadata, on every object whose metadata is to be sealed whenever it changes. */
export const sealedMetadataField = 'sse-metadata';

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;

/** What of an object is sealed and opened. */
interface Sealable {
  readonly metadata: Fields;
  readonly system: Fields;
}

function metadataKey(key: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', 'pileus object metadata', 32));
}

/** The fields as they are stored. */
export function sealMetadata<T extends Sealable>(fields: T, key: Buffer, nonce: Buffer): T {
  const cipher = createCipheriv('aes-256-gcm', metadataKey(key), nonce);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(fields.metadata)), cipher.final()]);
  const head = Buffer.of(version);
  const text = Buffer.concat([head, nonce, cipher.getAuthTag(), sealed]).toString('base64url');
  return {
    ...fields,
    metadata: noFields,
    system: { ...fields.system, [sealedMetadataField]: text },
  };
}

/** The stored fields as they were given. */
export function openMetadata<T extends Sealable>(fields: T, key: Buffer): T {
  const { [sealedMetadataField]: text, ...system } = fields.system;
  if (text === undefined) return fields;
  return { ...fields, metadata: unseal(Buffer.from(text, 'base64url'), key), system };
}

function unseal(raw: Buffer, key: Buffer): Fields {
  const bodyAt = 1 + nonceBytes + tagBytes;
  if (raw.length < bodyAt || raw[0] !== version)
    throw objectFailure('row-malformed', 'Sealed metadata is of no known version', {
      facts: { version: raw[0] ?? -1 },
    });
  const decipher = createDecipheriv(
    'aes-256-gcm',
    metadataKey(key),
    raw.subarray(1, 1 + nonceBytes),
  );
  decipher.setAuthTag(raw.subarray(1 + nonceBytes, bodyAt));
  let parsed: unknown;
  try {
    const opened = Buffer.concat([decipher.update(raw.subarray(bodyAt)), decipher.final()]);
    parsed = JSON.parse(opened.toString());
  } catch (cause) {
    throw objectFailure('row-malformed', 'Sealed metadata does not open', { cause });
  }
  return textsOf(parsed);
}

function textsOf(parsed: unknown): Fields {
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  const entries = isObject ? Object.entries(parsed) : undefined;
  if (entries?.every(([, value]) => typeof value === 'string') !== true)
    throw objectFailure('row-malformed', 'Sealed metadata holds what it should not');
  return Object.freeze(Object.fromEntries(entries));
}

export { nonceBytes as metadataNonceBytes };
