/** Brings the newest version of a row to those who lack it: read whole from one that has it, accepted by the others. */
import { isFailure } from '#common';
import type { Row, RowKey, RowWrite } from '#wire';
import type { Peer } from '../peer.ts';

export type CopyOutcome =
  /** `written`: how many took it; the others have something newer. */
  | { readonly outcome: 'copied'; readonly bytes: number; readonly written: number }
  /** Somebody could not be asked: the next pass tries again. */
  | { readonly outcome: 'failed'; readonly error: unknown }
  /** Nobody has a good copy. */
  | { readonly outcome: 'irreparable'; readonly reason: string };

export async function copyRow(
  key: RowKey,
  holders: readonly Peer[],
  behind: readonly Peer[],
  wait: (bytes: number) => Promise<void>,
): Promise<CopyOutcome> {
  const found = await readFirst(key, holders);
  if ('outcome' in found) return found;
  const { row } = found;
  const body = row.body ?? Buffer.alloc(0);
  const { version, deleted, meta, bytes } = row;
  const write: RowWrite = { key, version, deleted, meta, bytes, body, copied: true };
  const size = meta.length + body.length;
  await wait(size * behind.length);
  const outcomes = await Promise.allSettled(
    behind.map((peer) => peer.call((service) => service.acceptRow(write))),
  );
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  if (refused !== undefined) return { outcome: 'failed', error: refused.reason };
  const written = outcomes.filter(
    (outcome) => outcome.status === 'fulfilled' && outcome.value.outcome === 'ok',
  ).length;
  return { outcome: 'copied', bytes: size * written, written };
}

async function readFirst(
  key: RowKey,
  holders: readonly Peer[],
): Promise<{ readonly row: Row } | CopyOutcome> {
  let failed: unknown;
  let corrupt: unknown;
  for (const peer of holders) {
    try {
      const row = await peer.call((service) => service.readRow(key, { body: true }));
      if (row !== undefined) return { row };
    } catch (error) {
      if (isFailure(error, 'corrupt')) corrupt = error;
      // What only a device that is being refilled has, was never acknowledged; it comes to light when that is done.
      else if (!isFailure(error, 'busy')) failed = error;
    }
  }
  if (failed !== undefined) return { outcome: 'failed', error: failed };
  if (corrupt !== undefined) return { outcome: 'irreparable', reason: 'no good copy of the row' };
  // Gone from all in the meantime: nothing is left to copy.
  return { outcome: 'copied', bytes: 0, written: 0 };
}
