/** An object of a user's becomes an image's data: by reference, read once for its hashes and its format, copied only where it must be. */

import { decompressed, startsPacked } from '../content/decompress.ts';
import { type Intake, lookOver, type TakenContent, takeIn } from '../content/intake.ts';
import type { SourceObject, UserObjects } from '../content/interfaces.ts';
import { activate, beginTransfer, carry, renewal, settleTransfer } from '../content/transfers.ts';
import type { ImageCore } from '../core.ts';
import { imageFailure } from '../failures.ts';
import { roomFor } from '../images/quotas.ts';
import type { ImageRecord } from '../images/records.ts';
import { declaredBy, type ImportProgress, unpacks } from './import-progress.ts';

export interface ObjectImport extends ImportProgress {
  readonly source: SourceObject;
  /** What the SHA-512 of the bytes has to be. */
  readonly sha512?: string | undefined;
}

export async function fromObject(
  core: ImageCore,
  image: ImageRecord,
  { source, sha512, progress, succeeded }: ObjectImport,
): Promise<void> {
  const objects = objectsOf(core);
  const transfer = await beginTransfer(core, image, 'uploading', { again: true });
  const { contentId } = transfer;
  await carry(core, transfer, async () => {
    const renew = renewal(core, transfer);
    const intake = {
      contentId,
      declared: declaredBy(image),
      onProgress: async (bytes: number) => {
        progress(bytes, source.sizeBytes, 'bytes');
        await renew();
      },
      bytesMax: await roomFor(core, image.owner, 'size_total'),
    };
    // What is unpacked is other bytes than the object's.
    const unpack = unpacks(core, image) && (await startsPacked(await objects.open(source)));
    const isShared = !unpack && (await objects.share(source, contentId));
    const taken = isShared
      ? await lookOver(core, intake)
      : await copy(core, source, { ...intake, unpack });
    if (sha512 !== undefined && sha512.toLowerCase() !== taken.sha512)
      throw imageFailure('invalid', {
        why: `os_hash_value: (${sha512}) not matched with actual os_hash_value: (${taken.sha512})`,
      });
    // A volume of raw bytes would be a copy of them: made when somebody wants it.
    const isRaw = taken.inspection.format === 'raw' || taken.inspection.format === 'iso';
    await core.change(async (tx) => {
      await settleTransfer(core, tx, transfer);
      const volume = isShared && isRaw ? 'later' : 'now';
      await activate(core, tx, { imageId: image.id, contentId, taken, volume });
      await succeeded(tx);
    });
  });
}

function objectsOf(core: ImageCore): UserObjects {
  if (core.objects !== undefined) return core.objects;
  throw imageFailure('invalid', { why: 'This image service knows of no objects.' });
}

async function copy(
  core: ImageCore,
  source: SourceObject,
  { unpack, ...intake }: Omit<Intake, 'body'> & { readonly unpack: boolean },
): Promise<TakenContent> {
  const stored = await objectsOf(core).open(source);
  const body = stored.read(0, stored.sizeBytes);
  if (unpack) return await takeIn(core, { ...intake, body: decompressed(body) });
  return await takeIn(core, { ...intake, body, lengthBytes: stored.sizeBytes });
}
