/** Reading and changing the head row of a volume. */

import type { Tables } from '#cluster';
import { Failure } from '#common';
import { decodeHead, encodeHead, headRef, type VolumeHead } from './head.ts';

export function missingVolume(volumeId: string): Failure {
  return new Failure('missing', 'volume-missing', 'There is no such volume', {
    facts: { volumeId },
  });
}

export async function findHead(tables: Tables, volumeId: string): Promise<VolumeHead | undefined> {
  const row = await tables.get(headRef(volumeId));
  return row === undefined ? undefined : decodeHead(row.meta);
}

/** Changes the head by compare-and-set; `change` may be called again with a newer one. */
export async function changeHead(
  tables: Tables,
  volumeId: string,
  change: (head: VolumeHead) => VolumeHead,
): Promise<VolumeHead> {
  let changed: VolumeHead | undefined;
  await tables.update(headRef(volumeId), (present) => {
    if (present === undefined) throw missingVolume(volumeId);
    changed = change(decodeHead(present.meta));
    return { meta: encodeHead(changed), bytes: 0, body: Buffer.alloc(0) };
  });
  if (changed === undefined) throw missingVolume(volumeId);
  return changed;
}

/** The same for who has the volume open: `denied` when someone opened it since. */
export function changeOwnHead(
  tables: Tables,
  volumeId: string,
  epoch: number,
  change: (head: VolumeHead) => VolumeHead,
): Promise<VolumeHead> {
  return changeHead(tables, volumeId, (head) => {
    if (head.epoch !== epoch) throw lostVolume(volumeId, epoch, head.epoch);
    return change(head);
  });
}

export function sealedVolume(volumeId: string): Failure {
  return new Failure('conflict', 'volume-sealed', 'The volume is sealed: it is only read', {
    facts: { volumeId },
  });
}

export function lostVolume(volumeId: string, epoch: number, newer: number): Failure {
  return new Failure('denied', 'fenced', 'Another gateway has this volume now', {
    facts: { volumeId, epoch, newer },
  });
}
