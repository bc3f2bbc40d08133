/** Signing keys: derived once per (access key, day, region) and remembered, since the derivation costs four HMACs. */
import { createHmac, hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { SignatureClaim } from './credential.ts';

export interface SigningScope {
  readonly accessKey: string;
  /** `YYYYMMDD`. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

interface Remembered {
  readonly secret: string;
  readonly key: SigningKey;
}

const blockBytes = 64;
const digestBytes = 32;
const keptTextMax = 1024;

/**
 * A key whose HMAC-SHA256 is two calls of the one-shot hash over buffers that are laid out once (RFC 2104 §2: the key's pads, then what is
 * hashed): half of what an `Hmac` object costs for the short texts that are signed here.
 */
export class SigningKey {
  private readonly innerPad = Buffer.alloc(blockBytes, 0x36);
  private readonly outer = Buffer.alloc(blockBytes + digestBytes, 0x5c);
  /** The inner pad and room for a text as long as the last one: most have the same length. */
  private inner: Buffer = this.innerPad;

  constructor(raw: Buffer) {
    for (let at = 0; at < digestBytes; at++) {
      const byte = raw.readUInt8(at);
      this.innerPad.writeUInt8(byte ^ 0x36, at);
      this.outer.writeUInt8(byte ^ 0x5c, at);
    }
  }

  /** Hex signature of a string whose characters are bytes. */
  sign(text: string): string {
    const inner = this.roomFor(text.length);
    inner.write(text, blockBytes, 'latin1');
    this.outer.write(hash('sha256', inner, 'binary'), blockBytes, 'latin1');
    return hash('sha256', this.outer, 'hex');
  }

  private roomFor(length: number): Buffer {
    if (this.inner.length === blockBytes + length) return this.inner;
    const inner = Buffer.alloc(blockBytes + length);
    this.innerPad.copy(inner);
    if (length <= keptTextMax) this.inner = inner;
    return inner;
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest();
}

export function deriveSigningKey(
  secret: string,
  scope: Omit<SigningScope, 'accessKey'>,
): SigningKey {
  const dateKey = hmac(Buffer.from(`AWS4${secret}`, 'utf8'), scope.date);
  const serviceKey = hmac(hmac(dateKey, scope.region), scope.service);
  return new SigningKey(hmac(serviceKey, 'aws4_request'));
}

/** What a proven `Authorization` header said in front of its signature, and the key that proved it. */
export interface ProvenClaim extends Remembered {
  readonly claim: Omit<SignatureClaim, 'signature'>;
}

const beginningMax = 1024;

export class SigningKeys {
  private readonly known: LRUCache<string, Remembered>;
  private readonly proven: LRUCache<string, ProvenClaim>;

  constructor(keysMax: number) {
    this.known = new LRUCache({ max: keysMax });
    this.proven = new LRUCache({ max: keysMax });
  }

  /** A client says the same in all its requests of a day but for the signature, so that need not be read again. */
  findProven(beginning: string): ProvenClaim | undefined {
    return this.proven.get(beginning);
  }

  /** Only what was proven, so that nobody fills this with what he likes. */
  rememberProven(beginning: string, proven: ProvenClaim): void {
    if (beginning.length <= beginningMax) this.proven.set(beginning, proven);
  }

  /** The secret is compared too, so that a changed one is never answered from memory. */
  get(scope: SigningScope, secret: string): SigningKey {
    const name = `${scope.accessKey}/${scope.date}/${scope.region}/${scope.service}`;
    const known = this.known.get(name);
    if (known !== undefined && known.secret === secret) return known.key;
    const key = deriveSigningKey(secret, scope);
    this.known.set(name, { secret, key });
    return key;
  }
}
