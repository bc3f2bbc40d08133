/** Signing keys: derived once per (access key, day, region) and remembered, since the derivation costs four HMACs. */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';

export interface SigningScope {
  readonly accessKey: string;
  /** `YYYYMMDD`. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

interface Remembered {
  readonly secret: string;
  readonly key: KeyObject;
}

function hmac(key: string | Buffer | KeyObject, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest();
}

export function deriveSigningKey(
  secret: string,
  scope: Omit<SigningScope, 'accessKey'>,
): KeyObject {
  const dateKey = hmac(Buffer.from(`AWS4${secret}`, 'utf8'), scope.date);
  const serviceKey = hmac(hmac(dateKey, scope.region), scope.service);
  return createSecretKey(hmac(serviceKey, 'aws4_request'));
}

export class SigningKeys {
  private readonly known: LRUCache<string, Remembered>;

  constructor(keysMax: number) {
    this.known = new LRUCache({ max: keysMax });
  }

  /** The secret is compared too, so that a changed one is never answered from memory. */
  get(scope: SigningScope, secret: string): KeyObject {
    const name = `${scope.accessKey}/${scope.date}/${scope.region}/${scope.service}`;
    const known = this.known.get(name);
    if (known !== undefined && known.secret === secret) return known.key;
    const key = deriveSigningKey(secret, scope);
    this.known.set(name, { secret, key });
    return key;
  }
}

/** Hex signature of a string whose characters are bytes. */
export function sign(key: KeyObject, stringToSign: string): string {
  return createHmac('sha256', key).update(stringToSign, 'latin1').digest('hex');
}
