/** Small documents that a dialect keeps for an account: users, roles and their like. Texts by kind, owner and name. */
import { Buffer } from 'node:buffer';
import type { RowRef } from '#cluster';
import type { ObjectContext } from './context.ts';
import type { Page } from './fields.ts';
import { encodeJsonRow, JsonRow } from './rows/json-row.ts';

const table = 'dialect-record';

export interface RecordPlace {
  readonly kind: string;
  readonly owner: string;
  readonly name: string;
}

export interface Records {
  find(place: RecordPlace): Promise<string | undefined>;
  /** Atomically: what `change` makes of what is there; undefined removes it. It may run again and may throw to refuse. */
  update(
    place: RecordPlace,
    change: (present: string | undefined) => string | undefined,
  ): Promise<void>;
  list(
    of: { readonly kind: string; readonly owner: string },
    page: { readonly after?: string; readonly limit: number },
  ): Promise<Page<{ readonly name: string; readonly text: string }>>;
}

function partitionOf({ kind, owner }: { readonly kind: string; readonly owner: string }): string {
  return `${kind} ${owner}`;
}

function refOf(place: RecordPlace): RowRef {
  return { table, partition: partitionOf(place), sort: place.name };
}

export function createRecords({ tables }: Pick<ObjectContext, 'tables'>): Records {
  return {
    find: async (place) => {
      const row = await tables.get(refOf(place));
      return row === undefined ? undefined : new JsonRow('r', row.meta).text('text');
    },
    update: async (place, change) => {
      await tables.update(refOf(place), (present) => {
        const before =
          present === undefined ? undefined : new JsonRow('r', present.meta).text('text');
        const text = change(before);
        if (text !== undefined)
          return { meta: encodeJsonRow('r', { text }), bytes: 0, body: Buffer.alloc(0) };
        return present === undefined ? 'keep' : 'delete';
      });
    },
    list: async (of, { after, limit }) => {
      const page = await tables.list({
        table,
        partition: partitionOf(of),
        limit,
        ...(after === undefined ? {} : { marker: after }),
      });
      const entries = page.entries.flatMap(({ row }) =>
        row === undefined
          ? []
          : [{ name: row.sort, text: new JsonRow('r', row.meta).text('text') }],
      );
      return { entries, more: page.more };
    },
  };
}
