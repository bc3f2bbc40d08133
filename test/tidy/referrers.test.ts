/** Every table of rows is registered with the blobs that its rows refer to; a row of one that is not stops all reclaiming of blobs. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { volumeReferrers } from '#block-gateway';
import { type Blobs, joinReferrers, type Tables } from '#cluster';
import { objectReferrers } from '#proxy';

const root = join(import.meta.dirname, '../..');
const named = /(?:\b\w*[tT]able = |\btable: )'([a-z][a-z0-9-]{0,15})'/g;

const rooms = ['proxy', 'block-gateway', 'cluster', 'compute-hooks', 'cloud', 'cli', 'replicator'];

/** Whatever has to do with the cluster's rows; other tables are SQL. */
function sourcesIn(room: string): string[] {
  return readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/\.(test|contract)\.ts$|testing|bench/.test(path))
    .map((path) => readFileSync(join(root, room, path), 'utf8'))
    .filter((text) => /proxy|block-gateway|cluster/.test(room) || text.includes("'#cluster'"));
}

test('whoever adds a table says which blobs its rows refer to', () => {
  const nowhere = { tables: {} as Tables, blobs: {} as Blobs };
  const known = joinReferrers(objectReferrers, volumeReferrers(nowhere));
  const found = new Set<string>();
  for (const text of rooms.flatMap(sourcesIn))
    for (const [, table = ''] of text.matchAll(named)) found.add(table);
  expect([...found].sort()).toEqual(Object.keys(known).sort());
});
