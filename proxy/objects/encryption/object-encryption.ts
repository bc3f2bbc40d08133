/** How an object's bytes are encrypted, as its own fields say, and the keys for it. */
import { Buffer } from 'node:buffer';
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '#common';
import { objectFailure } from '../failures.ts';
import type { Fields } from '../fields.ts';
import type { ObjectInfo } from '../object-service.ts';
import { type BodyKey, cipherBuffer, cipherStream } from './body-cipher.ts';
import { defaultKeyName, type KeyStore } from './key-store.ts';
import {
  metadataNonceBytes,
  openMetadata,
  sealedMetadataField,
  sealMetadata,
} from './sealed-metadata.ts';

/** Fields of `system`: `AES256` and `aws:kms` under a key of the store, `SSE-C` under one that the client keeps. */
export const encryptionField = 'sse';
export const keyNameField = 'sse-key-name';
const sealedField = 'sse-key';
const ivField = 'sse-iv';
/** Of an object in parts: the counter starts of its parts, one after the other. */
export const partIvsField = 'sse-ivs';
export const customerMd5Field = 'sse-c-md5';
const customerProofField = 'sse-c-proof';

export const encryptionFields: readonly string[] = [
  ...[encryptionField, keyNameField, sealedField, ivField],
  ...[partIvsField, customerMd5Field, customerProofField],
];

/** What is asked for a body that is written. */
export type EncryptionWish =
  | {
      readonly kind: 'AES256' | 'aws:kms';
      readonly keyName?: string;
      /** Whether user metadata is encrypted as well. */
      readonly metadata?: boolean;
    }
  | { readonly kind: 'SSE-C'; readonly customerKey: Buffer };

/** What a write is given: how to encrypt, and what to keep with it. */
export interface WriteKey extends BodyKey {
  readonly fields: Fields;
  readonly sealsMetadata?: boolean;
}

const ivBytes = 16;

export class ObjectEncryption {
  private readonly keys: KeyStore;
  private readonly random: Random;

  constructor(keys: KeyStore, random: Random) {
    this.keys = keys;
    this.random = random;
  }

  async forWrite(wish: EncryptionWish): Promise<WriteKey> {
    const iv = this.random.bytes(ivBytes);
    const ivText = iv.toString('base64');
    if (wish.kind === 'SSE-C') {
      const { customerKey: key } = wish;
      const md5 = createHash('md5').update(key).digest('base64');
      const fields = {
        [encryptionField]: 'SSE-C',
        [ivField]: ivText,
        [customerMd5Field]: md5,
        [customerProofField]: proofOf(key, ivText),
      };
      return { key, iv, fields };
    }
    const name = wish.keyName ?? defaultKeyName;
    const { key, sealed } = await this.keys.makeKey(name);
    const fields = {
      [encryptionField]: wish.kind,
      [ivField]: ivText,
      [keyNameField]: name,
      [sealedField]: sealed,
    };
    return { key, iv, fields, sealsMetadata: wish.metadata === true };
  }

  /** For a part of an upload whose fields `forWrite` made: the upload's key, a counter of its own. */
  async forPart(upload: Fields, customerKey: Buffer | undefined): Promise<BodyKey | undefined> {
    const key = await this.keyOf(upload, customerKey);
    return key === undefined ? undefined : { key, iv: this.random.bytes(ivBytes) };
  }

  /** An object's fields as they are stored, when its metadata is to be sealed. */
  seal<T extends Pick<ObjectInfo, 'metadata' | 'system'>>(fields: T, key: Buffer): T {
    return sealMetadata(fields, key, this.random.bytes(metadataNonceBytes));
  }

  /** An object as it was given, its metadata opened. */
  async open(info: ObjectInfo): Promise<ObjectInfo> {
    if (info.system[sealedMetadataField] === undefined) return info;
    const key = await this.keyOf(info.system, undefined);
    return key === undefined ? info : openMetadata(info, key);
  }

  /** What to open and seal an object's metadata with, without waiting for anything; undefined when it is not sealed. */
  metadataKeyAtHand({ system }: ObjectInfo): Buffer | 'not-at-hand' | undefined {
    if (system[sealedMetadataField] === undefined) return undefined;
    const name = system[keyNameField] ?? defaultKeyName;
    return this.keys.openAtHand(name, system[sealedField] ?? '') ?? 'not-at-hand';
  }

  /** The key of an object's bytes; undefined when they are not encrypted. */
  async keyOf(system: Fields, customerKey: Buffer | undefined): Promise<Buffer | undefined> {
    const kind = system[encryptionField];
    if (kind === undefined) {
      if (customerKey === undefined) return undefined;
      throw objectFailure(
        'encryption-key-unwanted',
        'The object is not encrypted with a key of yours',
      );
    }
    if (kind !== 'SSE-C') {
      if (customerKey !== undefined)
        throw objectFailure(
          'encryption-key-unwanted',
          'The object is not encrypted with a key of yours',
        );
      return await this.keys.openKey(
        system[keyNameField] ?? defaultKeyName,
        system[sealedField] ?? '',
      );
    }
    if (customerKey === undefined)
      throw objectFailure('encryption-key-needed', 'The object is encrypted with a key of yours');
    const proof = Buffer.from(proofOf(customerKey, system[ivField] ?? ''));
    const kept = Buffer.from(system[customerProofField] ?? '');
    if (proof.length !== kept.length || !timingSafeEqual(proof, kept))
      throw objectFailure('encryption-key-wrong', 'This is not the key of the object');
    return customerKey;
  }
}

/** Tells the right key from a wrong one without keeping it. */
function proofOf(key: Buffer, iv: string): string {
  return createHmac('sha256', key).update(`pileus customer key ${iv}`).digest('base64');
}

export function withoutEncryption(system: Fields): Fields {
  return Object.fromEntries(
    Object.entries(system).filter(
      ([name]) => !encryptionFields.includes(name) && name !== sealedMetadataField,
    ),
  );
}

/** A run of bytes under one counter. */
interface Run {
  readonly iv: Buffer;
  readonly offset: number;
  readonly size: number;
}

function runsOf(info: ObjectInfo): readonly Run[] {
  const ivs = info.system[partIvsField];
  if (ivs === undefined || info.parts === undefined)
    return [{ iv: Buffer.from(info.system[ivField] ?? '', 'base64'), offset: 0, size: info.size }];
  const all = Buffer.from(ivs, 'base64');
  let offset = 0;
  return info.parts.map(({ size }, at) => {
    const run = { iv: all.subarray(at * ivBytes, (at + 1) * ivBytes), offset, size };
    offset += size;
    return run;
  });
}

/** Reads plain bytes of an encrypted body, given how to read the stored ones. */
export async function* readDecrypted(
  info: ObjectInfo,
  key: Buffer,
  range: { readonly offset: number; readonly length: number },
  read: (offset: number, length: number) => AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const end = range.offset + range.length;
  for (const { iv, offset, size } of runsOf(info)) {
    const from = Math.max(range.offset, offset);
    const to = Math.min(end, offset + size);
    if (from < to) yield* cipherStream({ key, iv }, read(from, to - from), from - offset);
  }
}

export function decryptInline(info: ObjectInfo, key: Buffer, bytes: Buffer): Buffer {
  const [run] = runsOf(info);
  return run === undefined ? bytes : cipherBuffer({ key, iv: run.iv }, bytes);
}
