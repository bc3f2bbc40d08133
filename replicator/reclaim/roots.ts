/**
 * Reads every row of every table on all devices, says which blobs they refer to, and names tombstones by the way.
 *
 * Invariant: whatever cannot be read or is not understood is thrown, and whoever asked frees nothing. So it is with a table that nobody registered.
 */
import type { Referrers, ReferringRow } from '#cluster';
import { Failure } from '#common';
import type { PartitionName, Row, RowKey, SurveyedPartition, Version } from '#wire';
import { merged, paged } from '../compare/merge.ts';
import { comparePartitions, partitionPages } from '../compare/row-differences.ts';
import type { Layout } from '../layout.ts';
import type { Peer } from '../peer.ts';

export interface RootsRequest {
  readonly layout: Layout;
  readonly referrers: Referrers;
  readonly found: (blobId: string) => void;
  /** A tombstone that all owners have, of a partition key of which no other device holds anything. */
  readonly onTombstone: (key: RowKey, version: Version) => void;
  /** Called between pages: waits for its turn. */
  readonly rest: () => Promise<void>;
}

const pageRows = 1000;
const textIds = /[0-9a-f]{32}/g;
const codedTextIds = /[0-9a-f]{38}/g;

export async function readRoots(request: RootsRequest): Promise<number> {
  const { layout } = request;
  let rows = 0;
  const lists = layout.peers.map((peer) => paged(partitionPages(peer, [0, 2 ** 32])));
  for await (const found of merged(lists, comparePartitions)) {
    const name = found.find((one) => one !== undefined);
    if (name === undefined) continue;
    const sources = sourcesOf(layout, name.hash, found);
    for (const peer of sources.peers)
      rows += await readPartition(request, { peer, name, agreed: sources.agreed });
  }
  return rows;
}

/** One owner where all agree and nobody else has anything; otherwise all who have something: an older row may win yet. */
function sourcesOf(
  layout: Layout,
  hash: number,
  found: readonly (SurveyedPartition | undefined)[],
): { readonly peers: readonly Peer[]; readonly agreed: boolean } {
  const owners = layout.primariesOfHash(hash);
  const holders = layout.peers.filter((_, at) => found[at] !== undefined);
  const digests = new Set(found.flatMap((one) => (one === undefined ? [] : one.aggregate.digest)));
  const agreed =
    digests.size === 1 &&
    holders.length === owners.length &&
    holders.every(({ device }) => owners.includes(device));
  return { peers: agreed ? holders.slice(0, 1) : holders, agreed };
}

async function readPartition(
  request: RootsRequest,
  source: { readonly peer: Peer; readonly name: PartitionName; readonly agreed: boolean },
): Promise<number> {
  const { peer, agreed } = source;
  const { table, partition, hash } = source.name;
  let from: string | undefined;
  let rows = 0;
  for (;;) {
    const start = from === undefined ? {} : { from };
    const scan = { table, partition, hash, limit: pageRows, ...start };
    const page = await peer.call((service) => service.scanRows(scan));
    for (const row of page.rows) {
      if (!row.deleted)
        await readRow(request, { table, partition, sort: row.sort, meta: row.meta });
      else if (agreed) request.onTombstone({ table, partition, hash, sort: row.sort }, row.version);
    }
    rows += page.rows.length;
    await request.rest();
    const last: Row | undefined = page.rows.at(-1);
    if (!page.more || last === undefined) return rows;
    from = last.sort;
  }
}

async function readRow({ referrers, found }: RootsRequest, row: ReferringRow): Promise<void> {
  const references = Object.hasOwn(referrers, row.table) ? referrers[row.table] : undefined;
  if (references === undefined)
    throw new Failure('bug', 'table-unregistered', 'Nobody says which blobs a table refers to', {
      facts: { table: row.table },
    });
  // Whatever else looks like a blob's id counts as well: better to keep too much.
  const text = row.meta.toString('latin1');
  for (const [id] of text.matchAll(textIds)) found(id);
  for (const [id] of text.matchAll(codedTextIds)) found(id);
  if (references !== 'nothing') await references(row, found);
}
