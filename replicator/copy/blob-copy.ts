/** Copies a blob, a mebibyte at a time, from the first that has a good copy. */
import { giveBack, isFailure } from '#common';
import { type BlobInfo, type BlobKey, blobReadBytesMax } from '#wire';
import type { Peer } from '../peer.ts';
import type { CopyOutcome } from './row-copy.ts';

export async function copyBlob(
  { id, hash, length }: BlobInfo,
  sources: readonly Peer[],
  target: Peer,
  wait: (bytes: number) => Promise<void>,
): Promise<CopyOutcome> {
  const key = { id, hash };
  let failed: unknown;
  let corrupt = false;
  for (const source of sources) {
    try {
      await stream({ key, length }, source, target, wait);
      return { outcome: 'copied', bytes: length, written: 1 };
    } catch (error) {
      if (isFailure(error, 'corrupt')) corrupt = true;
      else if (!isFailure(error, 'missing')) failed = error;
    }
  }
  if (failed !== undefined) return { outcome: 'failed', error: failed };
  if (corrupt) return { outcome: 'irreparable', reason: 'no good copy of the blob' };
  // Deleted meanwhile.
  return { outcome: 'copied', bytes: 0, written: 0 };
}

async function stream(
  { key, length }: { readonly key: BlobKey; readonly length: number },
  source: Peer,
  target: Peer,
  wait: (bytes: number) => Promise<void>,
): Promise<void> {
  const writer = await target.call((service) => service.openBlob(key, { lengthHint: length }));
  try {
    for (let offset = 0; offset < length; offset += blobReadBytesMax) {
      const wanted = Math.min(blobReadBytesMax, length - offset);
      await wait(wanted);
      const chunk = await source.call((service) => service.readBlob(key, offset, wanted));
      await target.call(() => writer.append([chunk], () => giveBack(chunk)));
    }
    await target.call(() => writer.commit());
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

export type Holding = 'good' | 'bad' | 'missing' | 'unknown';

/** Whether a device could serve the blob: `bad` is quarantined, `unknown` could not be asked. */
export async function holdingOf(peer: Peer, key: BlobKey): Promise<Holding> {
  try {
    await peer.call((service) => service.readBlob(key, 0, 0));
    return 'good';
  } catch (error) {
    if (isFailure(error, 'corrupt')) return 'bad';
    return isFailure(error, 'missing') ? 'missing' : 'unknown';
  }
}
