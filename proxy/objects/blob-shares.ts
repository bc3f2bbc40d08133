/**
 * Blobs that two objects refer to: their *owner*, which wrote them, and *borrowers*, which were made of it by reference.
 *
 *  lend: 1. the borrower's row is written, marked as one; 2. it is noted down beside every blob; 3. the owner's row is read again
 *        by a majority. Only when it still refers to the blobs does the borrower stand.
 *  give up: whoever no longer refers to a blob says so. What is noted down for it decides, by compare-and-set, whether the blob goes.
 *
 * Invariant: an owner's blob is deleted only after a look at its note, and that look comes after the owner's row went. So when step 3
 * saw the row, every later deletion sees the note of step 2. A borrower never deletes a blob for which there is no note.
 *
 * Wherever the process dies, a blob may stay without a referrer (reclaim finds it), and none goes that has one.
 */
import { Buffer } from 'node:buffer';
import type { RowRef, Tables } from '#cluster';
import { objectFailure } from './failures.ts';
import { encodeJsonRow, JsonRow } from './rows/json-row.ts';
import { type BodyBlob, decodeObjectRow } from './rows/object-row.ts';

/** In `system` of an object whose blobs another one wrote. */
export const borrowedField = 'borrowed';

const table = 'blob-share';

interface Share {
  /** Its owner is gone: the last borrower takes it along. */
  readonly ownerGone: boolean;
  readonly borrowers: ReadonlySet<string>;
}

const nobody: Share = { ownerGone: false, borrowers: new Set() };

export class BlobShares {
  private readonly tables: Tables;

  constructor(tables: Tables) {
    this.tables = tables;
  }

  async note(blobs: readonly BodyBlob[], borrower: RowRef): Promise<void> {
    for (const { id } of blobs)
      await this.change(id, ({ ownerGone, borrowers }) => ({
        ownerGone,
        borrowers: new Set([...borrowers, keyOf(borrower)]),
      }));
  }

  /** Whether the blob is to be deleted now that this object no longer refers to it; `borrower` when it is one. */
  async giveUp(id: string, borrower: RowRef | undefined): Promise<boolean> {
    // Nearly every blob has one owner and nothing else.
    if ((await this.tables.get(refOf(id))) === undefined) return borrower === undefined;
    let isLast = false;
    await this.change(id, (now) => {
      const borrowers = new Set(now.borrowers);
      if (borrower !== undefined) borrowers.delete(keyOf(borrower));
      const ownerGone = now.ownerGone || borrower === undefined;
      isLast = ownerGone && borrowers.size === 0;
      return { ownerGone, borrowers };
    });
    return isLast;
  }

  /**
   * Whether some object has it by reference at this moment; for whoever found no row that refers to it, and would delete it. A note that changed
   * meanwhile counts as yes: a borrower that came while others went is noted down before the last of them may go.
   */
  async isLent(id: string): Promise<boolean> {
    const note = await this.tables.get(refOf(id));
    if (note === undefined) return false;
    for (const key of decode(note.meta).borrowers) {
      const row = await this.tables.get(refAt(key));
      if (row !== undefined && decodeObjectRow(row).blobs.some((blob) => blob.id === id))
        return true;
    }
    const again = await this.tables.get(refOf(id));
    return again === undefined || !again.meta.equals(note.meta);
  }

  /** A note that says nothing is none. */
  private async change(id: string, change: (present: Share) => Share): Promise<void> {
    await this.tables.update(refOf(id), (row) => {
      const next = change(row === undefined ? nobody : decode(row.meta));
      if (next.borrowers.size === 0) return row === undefined ? 'keep' : 'delete';
      return { meta: encode(next), bytes: 0, body: Buffer.alloc(0) };
    });
  }
}

const refOf = (id: string): RowRef => ({ table, partition: id, sort: '' });

const keyOf = ({ table: of, partition, sort }: RowRef) => JSON.stringify([of, partition, sort]);

function refAt(key: string): RowRef {
  const parts: unknown = JSON.parse(key);
  const [of, partition, sort] = Array.isArray(parts) ? parts.map(String) : [];
  if (of === undefined || partition === undefined || sort === undefined)
    throw objectFailure('row-malformed', 'A note of lent bytes names no row', { facts: { key } });
  return { table: of, partition, sort };
}

const encode = ({ ownerGone, borrowers }: Share): Buffer =>
  encodeJsonRow('s', {
    owner: ownerGone ? 0 : 1,
    borrowers: Object.fromEntries([...borrowers].map((key) => [key, ''])),
  });

function decode(meta: Buffer): Share {
  const row = new JsonRow('s', meta);
  const borrowers = new Set(Object.keys(row.fields('borrowers')));
  return { ownerGone: row.number('owner') === 0, borrowers };
}
