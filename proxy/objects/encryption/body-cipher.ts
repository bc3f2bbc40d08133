/**
 * Bodies at rest under a key of their own: AES-256 in counter mode, so that any range can be read without what comes before it. The stored
 * bytes carry checksums of their own, and the key is never used twice with the same counter: every body, and every part, has its own start.
 */
import type { Buffer } from 'node:buffer';
import { type Cipheriv, createCipheriv, createHash } from 'node:crypto';
import { giveBack, lendForeign } from '#common';

export interface BodyKey {
  /** 32 bytes. */
  readonly key: Buffer;
  /** 16 bytes: where the counter starts. */
  readonly iv: Buffer;
}

const blockBytes = 16;

/** The counter `blocks` after its start. */
function counterAt(iv: Buffer, blocks: number): Buffer {
  let value = BigInt(`0x${iv.toString('hex')}`) + BigInt(blocks);
  value &= (1n << 128n) - 1n;
  return globalThis.Buffer.from(value.toString(16).padStart(32, '0'), 'hex');
}

/** The cipher for bytes from `offset` on; encryption and decryption are the same. */
function cipherAt({ key, iv }: BodyKey, offset: number): Cipheriv {
  const blocks = Math.floor(offset / blockBytes);
  const cipher = createCipheriv('aes-256-ctr', key, counterAt(iv, blocks));
  const skip = offset - blocks * blockBytes;
  if (skip > 0) cipher.update(globalThis.Buffer.alloc(skip));
  return cipher;
}

export function cipherBuffer(key: BodyKey, bytes: Buffer, offset = 0): Buffer {
  return cipherAt(key, offset).update(bytes);
}

export async function* cipherStream(
  key: BodyKey,
  body: AsyncIterable<Buffer>,
  offset = 0,
): AsyncGenerator<Buffer, void, undefined> {
  const cipher = cipherAt(key, offset);
  for await (const chunk of body) yield enciphered(cipher, chunk);
}

export interface EncryptedBody {
  readonly body: Buffer | AsyncIterable<Buffer>;
  /** Hex, of the plain bytes; only after the body's end. */
  plainMd5(): string;
}

/** Encrypts a body on its way in, and learns the MD5 that clients know it by. */
export function encryptBody(key: BodyKey, body: Buffer | AsyncIterable<Buffer>): EncryptedBody {
  const md5 = createHash('md5');
  let hex: string | undefined;
  const plainMd5 = (): string => {
    hex ??= md5.digest('hex');
    return hex;
  };
  if (!('byteLength' in body)) return { body: encrypting(key, body, md5), plainMd5 };
  md5.update(body);
  return { body: cipherBuffer(key, body), plainMd5 };
}

async function* encrypting(
  key: BodyKey,
  body: AsyncIterable<Buffer>,
  md5: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer, void, undefined> {
  const cipher = cipherAt(key, 0);
  for await (const chunk of body) {
    md5.update(chunk);
    yield enciphered(cipher, chunk);
  }
}

function enciphered(cipher: Cipheriv, chunk: Buffer): Buffer {
  const bytes = lendForeign(cipher.update(chunk));
  giveBack(chunk);
  return bytes;
}
