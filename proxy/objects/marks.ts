/**
 * Small durable notes for background work, in sets by name: which containers are synced, which accounts are to be emptied, what was
 * deleted and is to be told elsewhere. Rows of the table `mark`, ordered by key inside their set.
 */
import { Buffer } from 'node:buffer';
import type { ObjectContext } from './context.ts';
import type { Page } from './fields.ts';
import { encodeJsonRow, JsonRow } from './rows/json-row.ts';
import { markRef, markTable } from './rows/tables.ts';

export interface Mark {
  readonly key: string;
  readonly value: string;
}

export interface MarkService {
  get(set: string, key: string): Promise<string | undefined>;
  put(set: string, key: string, value: string): Promise<void>;
  remove(set: string, key: string): Promise<void>;
  list(
    set: string,
    request: { readonly marker?: string; readonly limit: number },
  ): Promise<Page<Mark>>;
}

export function createMarks({ tables }: Pick<ObjectContext, 'tables'>): MarkService {
  return {
    get: async (set, key) => {
      const row = await tables.get(markRef(set, key));
      return row === undefined ? undefined : new JsonRow('m', row.meta).text('value');
    },
    put: async (set, key, value) => {
      const meta = encodeJsonRow('m', { value });
      await tables.put(markRef(set, key), { meta, bytes: 0, body: Buffer.alloc(0) });
    },
    remove: async (set, key) => {
      await tables.delete(markRef(set, key));
    },
    list: async (set, request) => {
      const page = await tables.list({ table: markTable, partition: set, ...request });
      const entries = page.entries.flatMap(({ row }) =>
        row === undefined
          ? []
          : [{ key: row.sort, value: new JsonRow('m', row.meta).text('value') }],
      );
      return { entries, more: page.more };
    },
  };
}
