/** Which volumes a project has: a row for each under the project's partition key, written before the volume and deleted after it. */
import type { RowRef, Tables } from '#cluster';
import { Fields, parseObject } from '../volume/fields.ts';

const indexTable = 'volume-index';
const pageRows = 1000;

export interface IndexEntry {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
}

function indexRef(project: string, id: string): RowRef {
  return { table: indexTable, partition: project, sort: id };
}

export async function putIndex(tables: Tables, project: string, entry: IndexEntry): Promise<void> {
  const meta = Buffer.from(JSON.stringify({ format: 'pileus-volume-index', version: 1, ...entry }));
  await tables.put(indexRef(project, entry.id), {
    meta,
    bytes: entry.sizeBytes,
    body: Buffer.alloc(0),
  });
}

export async function deleteIndex(tables: Tables, project: string, id: string): Promise<void> {
  await tables.delete(indexRef(project, id));
}

export interface IndexPage {
  readonly entries: readonly IndexEntry[];
  /** Ask for what follows this; undefined at the end. */
  readonly next: string | undefined;
}

export async function pageIndex(
  tables: Tables,
  project: string,
  marker: string | undefined,
  limit = pageRows,
): Promise<IndexPage> {
  const page = await tables.list({
    table: indexTable,
    partition: project,
    limit,
    ...(marker === undefined ? {} : { marker }),
  });
  const entries: IndexEntry[] = [];
  for (const { row } of page.entries) {
    if (row === undefined) continue;
    const fields = new Fields(parseObject(row.meta.toString('utf8')));
    entries.push({
      id: fields.text('id'),
      name: fields.text('name'),
      sizeBytes: fields.whole('sizeBytes'),
      createdUs: fields.whole('createdUs'),
    });
  }
  return { entries, next: page.more ? entries.at(-1)?.id : undefined };
}

/** All of a project's volumes of this name; names need not be unique. */
export async function idsByName(tables: Tables, project: string, name: string): Promise<string[]> {
  const ids: string[] = [];
  let marker: string | undefined;
  do {
    const page = await pageIndex(tables, project, marker);
    for (const entry of page.entries) if (entry.name === name) ids.push(entry.id);
    marker = page.next;
  } while (marker !== undefined && ids.length < 2);
  return ids;
}
