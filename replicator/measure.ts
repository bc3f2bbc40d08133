/**
 * What partitions weigh: the bytes of their rows and blobs, read from the index of one owner that can be asked (for blobs from all, since each may lack
 * some). It costs what listing them costs.
 */
import { Failure, isFailure } from '#common';
import { type BlobInfo, type SurveyedPartition, surveyEntriesMax } from '#wire';
import { blobPages, compareBlobs } from './compare/blob-differences.ts';
import { merged, paged } from './compare/merge.ts';
import { partitionPages } from './compare/row-differences.ts';
import type { Layout } from './layout.ts';
import type { Peer } from './peer.ts';

export async function measureMoves(
  layout: Layout,
  partitions: readonly number[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const bytes = new Map<number, number>();
  for (const partition of partitions) {
    signal.throwIfAborted();
    bytes.set(partition, await weightOf(layout, partition));
  }
  return bytes;
}

async function weightOf(layout: Layout, partition: number): Promise<number> {
  const owners = layout.peersOf(layout.primariesOf(partition));
  const range = layout.hashesOf(partition);
  let failed: unknown;
  let rows: number | undefined;
  const awake: Peer[] = [];
  for (const owner of owners) {
    try {
      rows ??= await rowBytes(owner, range);
      await owner.call((service) => service.status());
      awake.push(owner);
    } catch (error) {
      if (!isFailure(error)) throw error;
      failed = error;
    }
  }
  if (rows === undefined)
    throw new Failure('unreachable', 'no-owner', 'No owner of a partition can be asked', {
      facts: { partition },
      cause: failed,
    });
  return rows + (await blobBytes(awake, range));
}

async function rowBytes(owner: Peer, range: readonly [number, number]): Promise<number> {
  let sum = 0;
  for await (const of of paged<SurveyedPartition>(partitionPages(owner, range))) {
    let after: string | undefined;
    do {
      const page = { what: 'versions', of, limit: surveyEntriesMax } as const;
      const reply = await owner.survey(after === undefined ? page : { ...page, after });
      sum += reply.bytes;
      after = reply.next;
    } while (after !== undefined);
  }
  return sum;
}

async function blobBytes(
  owners: readonly Peer[],
  range: readonly [number, number],
): Promise<number> {
  let sum = 0;
  const lists = owners.map((owner) => paged<BlobInfo>(blobPages(owner, range)));
  for await (const found of merged(lists, compareBlobs))
    sum += found.find((one) => one !== undefined)?.length ?? 0;
  return sum;
}
