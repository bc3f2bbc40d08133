/**
 * Takes the bytes of an image in, once, as they come: hashed, inspected and stored on the way. Nothing refers to them yet; that is the
 * caller's transaction.
 */
import { createHash } from 'node:crypto';
import type { ImageCore } from '../core.ts';
import { imageFailure } from '../failures.ts';
import { mismatch } from '../formats/declared.ts';
import type { Inspection } from '../formats/inspection.ts';
import { ImageInspector } from '../formats/inspector.ts';

export interface Declared {
  readonly diskFormat: string;
  readonly containerFormat: string;
}

export interface TakenContent {
  readonly size: number;
  readonly md5: string;
  readonly sha512: string;
  readonly inspection: Inspection;
}

export interface Intake {
  readonly contentId: string;
  readonly body: AsyncIterable<Uint8Array>;
  readonly lengthBytes?: number;
  /** What the image says it is; left out, anything well-formed is taken. */
  readonly declared?: Declared;
  /** Called now and then while bytes come. */
  onProgress?(bytes: number): Promise<void>;
  readonly bytesMax: number;
}

export async function takeIn(core: ImageCore, intake: Intake): Promise<TakenContent> {
  const sha512 = createHash('sha512');
  const inspector = new ImageInspector({ virtualBytesMax: core.settings.virtualBytesMax });
  let size = 0;
  let inspection: Inspection | undefined;
  const pass = async function* (): AsyncGenerator<Buffer> {
    for await (const bytes of intake.body) {
      // The very buffer where it is one: who lent it takes no other view back.
      const chunk = Buffer.isBuffer(bytes)
        ? bytes
        : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      size += chunk.length;
      if (size > intake.bytesMax) throw tooLarge(intake.bytesMax);
      inspector.feed(chunk);
      sha512.update(chunk);
      await intake.onProgress?.(size);
      yield chunk;
    }
    // Before the store makes it whole: a refused file never was one.
    inspection = inspector.finish();
    checkDeclared(core, intake.declared, inspection);
  };
  const { md5 } = await core.store.put(intake.contentId, pass(), intake.lengthBytes);
  if (inspection === undefined)
    throw imageFailure('invalid', { why: 'The image ended before it was looked at.' });
  return { size, md5, sha512: sha512.digest('hex'), inspection };
}

/** The same of bytes that are stored under this name already: they are read once and written nowhere. */
export async function lookOver(
  core: ImageCore,
  intake: Omit<Intake, 'body' | 'lengthBytes'>,
): Promise<TakenContent> {
  const stored = await core.store.open(intake.contentId);
  if (stored.sizeBytes > intake.bytesMax) throw tooLarge(intake.bytesMax);
  const md5 = createHash('md5');
  const sha512 = createHash('sha512');
  const inspector = new ImageInspector({ virtualBytesMax: core.settings.virtualBytesMax });
  let size = 0;
  for await (const chunk of stored.read(0, stored.sizeBytes)) {
    size += chunk.length;
    inspector.feed(chunk);
    md5.update(chunk);
    sha512.update(chunk);
    await intake.onProgress?.(size);
  }
  const inspection = inspector.finish();
  checkDeclared(core, intake.declared, inspection);
  return { size, md5: md5.digest('hex'), sha512: sha512.digest('hex'), inspection };
}

const tooLarge = (bytesMax: number) =>
  imageFailure('limit-exceeded', {
    why: `The provided image is too large: more than ${bytesMax} bytes.`,
  });

export function checkDeclared(
  core: ImageCore,
  declared: Declared | undefined,
  inspection: Inspection,
): void {
  if (declared === undefined || !core.settings.formatMatch) return;
  const why = mismatch(declared, inspection);
  if (why !== undefined) throw imageFailure('image-refused', { reason: why });
}
