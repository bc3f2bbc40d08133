/**
 * Which blobs rows refer to. A blob that no row refers to is garbage, so whoever frees blobs must know every table there is:
 * each is registered by the room that owns it, and a row of a table that is not stops all freeing.
 */
import { Failure } from '#common';

export interface ReferringRow {
  readonly table: string;
  readonly partition: string;
  readonly sort: string;
  readonly meta: Buffer;
}

/** Names every blob that the row needs, itself or by what it leads to; throws when it cannot be said, and then nothing is freed. */
export type RowReferences = (
  row: ReferringRow,
  found: (blobId: string) => void,
) => Promise<void> | void;

/** By table; `nothing` where rows never refer to blobs. */
export type Referrers = Readonly<Record<string, RowReferences | 'nothing'>>;

export function joinReferrers(...parts: readonly Referrers[]): Referrers {
  const joined: Record<string, RowReferences | 'nothing'> = {};
  for (const part of parts)
    for (const [table, references] of Object.entries(part)) {
      if (joined[table] !== undefined)
        throw new Failure('bug', 'table-registered-twice', 'Two rooms say they own a table', {
          facts: { table },
        });
      joined[table] = references;
    }
  return joined;
}
