/**
 * Which containers background work has to look at: a row for each, so that nobody searches all accounts for the few that have rules; and
 * how far a round of such work has come, so that whoever goes on begins there.
 */
import { Buffer } from 'node:buffer';
import type { RowRef, RowValue } from '#cluster';
import type { Container } from './container-service.ts';
import type { ObjectContext } from './context.ts';
import type { Page } from './fields.ts';
import { encodeJsonRow, JsonRow } from './rows/json-row.ts';

const dutyTable = 'object-duty';

export interface DutyPlace {
  readonly account: string;
  readonly name: string;
}

export interface Duties {
  /** May be repeated. `kind` is a short word of the work's own, such as `lifecycle`. */
  ensure(kind: string, place: DutyPlace): Promise<void>;
  drop(kind: string, place: DutyPlace): Promise<void>;
  /** In a fixed order, after a place. */
  list(kind: string, after: DutyPlace | undefined, limit: number): Promise<Page<DutyPlace>>;
  /** What `note` last wrote under a name; undefined at first. */
  recall(name: string): Promise<string | undefined>;
  note(name: string, text: string): Promise<void>;
}

export function placeOf({ account, name }: Container): DutyPlace {
  return { account, name };
}

function dutyRef(kind: string, { account, name }: DutyPlace): RowRef {
  return { table: dutyTable, partition: kind, sort: `${account}/${name}` };
}

function noteRef(name: string): RowRef {
  return { table: dutyTable, partition: `note ${name}`, sort: '' };
}

function rowOf(text: string): RowValue {
  return { meta: encodeJsonRow('d', { text }), bytes: 0, body: Buffer.alloc(0) };
}

export function createDuties({ tables }: Pick<ObjectContext, 'tables'>): Duties {
  return {
    ensure: async (kind, place) => {
      await tables.put(dutyRef(kind, place), rowOf(''));
    },
    drop: async (kind, place) => {
      await tables.delete(dutyRef(kind, place));
    },
    list: async (kind, after, limit) => {
      const page = await tables.list({
        table: dutyTable,
        partition: kind,
        limit,
        ...(after === undefined ? {} : { marker: dutyRef(kind, after).sort }),
      });
      const entries = page.entries.flatMap(({ row }) =>
        row === undefined ? [] : [placeAt(row.sort)],
      );
      return { entries, more: page.more };
    },
    recall: async (name) => {
      const row = await tables.get(noteRef(name));
      return row === undefined ? undefined : new JsonRow('d', row.meta).text('text');
    },
    note: async (name, text) => {
      await tables.put(noteRef(name), rowOf(text));
    },
  };
}

/** Neither half holds a slash of its own. */
function placeAt(sort: string): DutyPlace {
  const slash = sort.indexOf('/');
  return { account: sort.slice(0, slash), name: sort.slice(slash + 1) };
}
