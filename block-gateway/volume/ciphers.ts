/**
 * The data keys of a volume: its own and those of the volumes whose segments it shares, each wrapped by a key of the key store.
 * Giving a volume another key of the store wraps the data keys anew and rewrites no data.
 */
import { Failure, type Random } from '#common';
import type { HeadEncryption } from './head.ts';
import { dataKeyBytes, LineCipher } from './line-cipher.ts';

/** Where keys are kept that must never lie beside the data. */
export interface KeyStore {
  /** A data key, sealed by the key `keyId`; text. `missing` key-missing when there is no such key. */
  wrap(keyId: string, dataKey: Buffer): Promise<string>;
  unwrap(keyId: string, wrapped: string): Promise<Buffer>;
}

export const noKeyStore: KeyStore = {
  wrap: () => Promise.reject(missingStore()),
  unwrap: () => Promise.reject(missingStore()),
};

function missingStore(): Failure {
  return new Failure('invalid', 'no-key-store', 'This gateway has no key store');
}

export class Ciphers {
  private readonly known: ReadonlyMap<string, LineCipher>;

  constructor(known: ReadonlyMap<string, LineCipher> = new Map()) {
    this.known = known;
  }

  static async open(keys: KeyStore, encryption: HeadEncryption | undefined): Promise<Ciphers> {
    const known = new Map<string, LineCipher>();
    for (const [owner, wrapped] of Object.entries(encryption?.keys ?? {}))
      known.set(owner, new LineCipher(await keys.unwrap(encryption?.keyId ?? '', wrapped)));
    return new Ciphers(known);
  }

  of(owner: string): LineCipher | undefined {
    return this.known.get(owner);
  }
}

/** What a new volume's head says: a data key of its own, and the keys of what it is made from. */
export async function newEncryption(
  keys: KeyStore,
  random: Random,
  wanted: { readonly volumeId: string; readonly keyId: string; readonly from?: HeadEncryption },
): Promise<HeadEncryption> {
  const { volumeId, keyId, from } = wanted;
  const shared = from === undefined ? {} : await rewrap(keys, from, keyId);
  const own = await keys.wrap(keyId, random.bytes(dataKeyBytes));
  return { keyId, cipher: 'aes-256-xts', keys: { ...shared, [volumeId]: own } };
}

/** The same data keys under another key of the store. */
export async function rewrap(
  keys: KeyStore,
  from: HeadEncryption,
  keyId: string,
): Promise<Readonly<Record<string, string>>> {
  const wrapped: Record<string, string> = {};
  for (const [owner, text] of Object.entries(from.keys))
    wrapped[owner] = await keys.wrap(keyId, await keys.unwrap(from.keyId, text));
  return wrapped;
}
