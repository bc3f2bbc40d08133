/** What becomes of the object that a row replaced. */
import type { RowRef, StoredRow } from '#cluster';
import { borrowedField } from './blob-shares.ts';
import type { ObjectContext } from './context.ts';
import { isExpired } from './live-rows.ts';
import { decodeObjectRow, type ObjectRow } from './rows/object-row.ts';

/** Hands the replaced object's blobs to the garbage; says whether a live one was replaced. */
export function dropPrevious(
  context: ObjectContext,
  ref: RowRef,
  previous: StoredRow | undefined,
  next?: ObjectRow,
): boolean {
  if (previous === undefined) return false;
  const old = decodeObjectRow(previous);
  // A repeated completion, or a metadata update, refers to the same blobs.
  const shared = next !== undefined && next.blobs[0]?.id === old.blobs[0]?.id;
  // Of an upload's blobs its parts' rows know as well.
  const isBorrower = old.info.system[borrowedField] !== undefined;
  if (!shared)
    context.garbage.add(ref, old.blobs, {
      own: old.uploadId === undefined,
      ...(isBorrower ? { borrower: ref } : {}),
    });
  return !isExpired(context, old.info);
}
