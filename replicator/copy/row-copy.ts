/** Brings the newest version of a row to those who lack it: read whole from one that has it, accepted by the others. */
import { Failure, isFailure } from '#common';
import { compareVersions, type Row, type RowKey, type RowWrite } from '#wire';
import type { Peer } from '../peer.ts';

export type CopyOutcome =
  /** `written`: how many took it; the others have something newer. */
  | { readonly outcome: 'copied'; readonly bytes: number; readonly written: number }
  /** Somebody could not be asked: the next pass tries again. */
  | { readonly outcome: 'failed'; readonly error: unknown }
  /** Nobody has a good copy. */
  | { readonly outcome: 'irreparable'; readonly reason: string };

/** `Cluster.renew`. */
export type RenewRow = (key: RowKey, held: Row) => Promise<void>;

export interface RowCopying {
  readonly wait: (bytes: number) => Promise<void>;
  readonly renew?: RenewRow | undefined;
  /** Has never been an owner: what it lacks it has not forgotten. */
  readonly isNewcomer?: (peer: Peer) => boolean;
}

export async function copyRow(
  key: RowKey,
  holders: readonly Peer[],
  behind: readonly Peer[],
  { wait, renew, isNewcomer = () => false }: RowCopying,
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
  const isTaken = (at: number) => {
    const outcome = outcomes[at];
    return outcome?.status === 'fulfilled' && outcome.value.outcome === 'ok';
  };
  const refusing = behind.filter((_, at) => !isTaken(at));
  try {
    // Held up by a promise, it would stay behind until somebody writes the row again.
    if (await isAnyOlder(key, row, refusing, isNewcomer)) {
      await renew?.(key, row);
      // A majority has it anew, which may be without this one: the next look tells.
      if (refusing.some(isNewcomer)) return { outcome: 'failed', error: heldUp(key) };
    }
  } catch (error) {
    if (!isFailure(error)) throw error;
    return { outcome: 'failed', error };
  }
  const written = behind.length - refusing.length;
  return { outcome: 'copied', bytes: size * written, written };
}

/** Whether one of those who refused a copy has an older one. */
async function isAnyOlder(
  key: RowKey,
  { version }: Row,
  peers: readonly Peer[],
  isNewcomer: (peer: Peer) => boolean,
): Promise<boolean> {
  for (const peer of peers) {
    const found = await peer.call((service) => service.readRow(key, { body: false }));
    if (found === undefined && isNewcomer(peer)) return true;
    // One that has nothing of the row may have forgotten that it was deleted: a new version would bring that back.
    if (found !== undefined && compareVersions(found.version, version) < 0) return true;
  }
  return false;
}

function heldUp(key: RowKey): Failure {
  return new Failure('busy', 'row-promised', 'A device has promised to take nothing so old', {
    facts: { table: key.table },
  });
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
