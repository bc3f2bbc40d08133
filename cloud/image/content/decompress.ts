/** Images that come compressed by gzip, unpacked on their way in: what is stored, hashed and looked at is the image itself. */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { messageOf } from '#common';
import { imageFailure } from '../failures.ts';
import type { StoredContent } from './interfaces.ts';

const magic = Buffer.from([0x1f, 0x8b, 0x08]);

const isGzip = (head: Uint8Array): boolean =>
  magic.equals(Buffer.from(head.subarray(0, magic.length)));

export async function startsPacked(stored: StoredContent): Promise<boolean> {
  const head: Buffer[] = [];
  const length = Math.min(magic.length, stored.sizeBytes);
  for await (const chunk of stored.read(0, length)) head.push(chunk);
  return isGzip(Buffer.concat(head));
}

/** The bytes as they are, unless they are gzip's. How much may come out is for whoever takes them in to bound. */
export async function* decompressed(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = body[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < magic.length) {
    const { value, done } = await source.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  const whole = async function* () {
    try {
      if (head.length > 0) yield head;
      yield* { [Symbol.asyncIterator]: () => source };
    } finally {
      await source.return?.();
    }
  };
  if (isGzip(head)) yield* unpacked(whole());
  else yield* whole();
}

async function* unpacked(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const packed = Readable.from(body, { objectMode: false });
  const gunzip = createGunzip();
  // A source that fails is what went wrong, not the cut it leaves.
  packed.on('error', (error) => gunzip.destroy(error));
  packed.pipe(gunzip);
  try {
    yield* gunzip;
  } catch (error) {
    throw isZlib(error)
      ? imageFailure('image-refused', { format: 'gzip', reason: messageOf(error) })
      : error;
  } finally {
    packed.destroy();
    gunzip.destroy();
  }
}

const isZlib = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
