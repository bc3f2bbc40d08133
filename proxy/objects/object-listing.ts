/** Object listings: one page out of the sorted streams of a container's shards. */
import type { ListEntry, ListPage } from '#cluster';
import { compareUtf8 } from '#common';
import { skipCollapsed } from './accounts.ts';
import type { Container, ListObjects, ObjectListEntry } from './container-service.ts';
import type { ObjectContext } from './context.ts';
import type { Page } from './fields.ts';
import { decodeSummary } from './rows/object-row.ts';
import { objectTable, shardPartition } from './rows/tables.ts';

function toEntry(entry: ListEntry): ObjectListEntry {
  return entry.row === undefined ? { prefix: entry.prefix } : decodeSummary(entry.row);
}

export async function listObjects(
  context: ObjectContext,
  container: Container,
  request: ListObjects,
): Promise<Page<ObjectListEntry>> {
  const range = skipCollapsed(request);
  const listShard = (shard: number): Promise<ListPage> =>
    context.tables.list({
      table: objectTable,
      partition: shardPartition(container, shard),
      ...range,
    });
  if (container.shards === 1) {
    const page = await listShard(0);
    return { entries: page.entries.map(toEntry), more: page.more };
  }
  const shards = Array.from({ length: container.shards }, (_, shard) => listShard(shard));
  const page = mergePages(await Promise.all(shards), request.limit, request.reverse === true);
  return { entries: page.entries.map(toEntry), more: page.more };
}

function keyOf(entry: ListEntry): string {
  return entry.row === undefined ? entry.prefix : entry.row.sort;
}

/**
 * The first `limit` entries of all pages together, a prefix that several have counted once. Each page holds its shard's
 * first `limit` entries, so what is cut off or not read lies behind every entry returned.
 */
export function mergePages(pages: readonly ListPage[], limit: number, reverse: boolean): ListPage {
  const sign = reverse ? -1 : 1;
  const all = pages.flatMap((page) => page.entries);
  all.sort((a, b) => sign * compareUtf8(keyOf(a), keyOf(b)));
  const entries: ListEntry[] = [];
  let last: string | undefined;
  for (const entry of all) {
    if (entry.row === undefined) {
      if (entry.prefix === last) continue;
      last = entry.prefix;
    }
    entries.push(entry);
  }
  const more = entries.length > limit || pages.some((page) => page.more);
  return { entries: entries.slice(0, limit), more };
}
