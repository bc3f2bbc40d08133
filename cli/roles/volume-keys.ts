/**
 * The key store of encrypted volumes. A volume's key is a secret of its project, kept by the key manager; keys that operators name are
 * files of the folder `secrets`. A data key is sealed by AES-256-GCM: nonce (12 bytes), tag (16), text, as base64.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import * as fs from 'node:fs';
import type { KeyStore } from '#block-gateway';
import { Failure, type Random } from '#common';
import { type DataFolder, ensureSecret, randomSecret } from '../data-folder.ts';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const idPattern = /^[0-9a-zA-Z_-]{1,64}$/;

/** Keys that the key manager has; undefined for one that it does not know. */
export interface SecretKeys {
  find(keyId: string): Promise<Buffer | undefined>;
}

export interface FileKeys extends KeyStore {
  /** Makes a key of this name as a file, when there is none: for volumes that operators make. */
  ensure(keyId: string): void;
}

export function volumeKeys(folder: DataFolder, random: Random, secrets: SecretKeys): FileKeys {
  const nameOf = (keyId: string) => `volume-key-${keyId}`;
  const keyOf = async (keyId: string): Promise<Buffer> => {
    if (idPattern.test(keyId)) {
      if (fs.existsSync(folder.path('secrets', nameOf(keyId))))
        return Buffer.from(
          ensureSecret(folder, nameOf(keyId), () => ''),
          'hex',
        );
      const secret = await secrets.find(keyId);
      if (secret !== undefined) return secret;
    }
    throw new Failure('missing', 'key-missing', 'The key store has no such key', {
      facts: { keyId },
    });
  };
  return {
    ensure(keyId) {
      if (!idPattern.test(keyId))
        throw new Failure('invalid', 'bad-key-id', 'A key id has letters, digits, - and _');
      ensureSecret(folder, nameOf(keyId), () => randomSecret(random, keyBytes));
    },
    async wrap(keyId, dataKey) {
      const nonce = random.bytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', await keyOf(keyId), nonce);
      const sealed = Buffer.concat([cipher.update(dataKey), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
    },
    async unwrap(keyId, wrapped) {
      const bytes = Buffer.from(wrapped, 'base64');
      const nonce = bytes.subarray(0, nonceBytes);
      const opener = createDecipheriv('aes-256-gcm', await keyOf(keyId), nonce);
      opener.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      try {
        const text = bytes.subarray(nonceBytes + tagBytes);
        return Buffer.concat([opener.update(text), opener.final()]);
      } catch (error) {
        const facts = { keyId };
        throw new Failure('denied', 'wrong-key', 'The key does not open this volume', {
          facts,
          cause: error,
        });
      }
    },
  };
}
