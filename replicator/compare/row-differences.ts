/**
 * Finds the rows of one ring partition that are not the same on all who should have them.
 *
 * 1. Partition keys with their digests, from all, side by side: those that agree are done with.
 * 2. Of a long partition key that differs, digests of its sort keys in 4,096 buckets: then only buckets that differ are listed.
 * 3. Versions, side by side: what is newest, who has it, and who is behind.
 */
import { compareUtf8 } from '#common';
import {
  compareVersions,
  digestBytes,
  type PartitionName,
  type RowKey,
  type SurveyedPartition,
  type SurveyedVersion,
  surveyEntriesMax,
  type Version,
} from '#wire';
import type { Peer } from '../peer.ts';
import { merged, paged } from './merge.ts';

export interface RowDifference {
  readonly key: RowKey;
  /** Who has the newest version. */
  readonly holders: readonly Peer[];
  /** Who should have it. */
  readonly behind: readonly Peer[];
  /** Who has some version of it, and should have nothing. */
  readonly kept: readonly KeptRow[];
}

export interface KeptRow {
  readonly peer: Peer;
  readonly version: Version;
}

export interface RowSides {
  /** Who should all have the same. */
  readonly owners: readonly Peer[];
  /** Who may have something newer, and should have nothing. */
  readonly strangers: readonly Peer[];
}

/** Above so many rows buckets are asked for first; below, a page or two of versions cost less. */
const listedRowsMax = 2000;
const bucketPower = 12;
const noRows = Buffer.alloc(digestBytes);
/** With more buckets than this different, a list of everything is as good. */
const bucketsMax = 1024;

export async function* rowDifferences(
  sides: RowSides,
  hashes: readonly [number, number],
): AsyncGenerator<RowDifference, void> {
  const { owners } = sides;
  const all = [...owners, ...sides.strangers];
  const lists = all.map((peer) => paged(partitionPages(peer, hashes)));
  for await (const found of merged(lists, comparePartitions)) {
    const name = found.find((entry) => entry !== undefined);
    if (name === undefined || isAgreed(found, owners.length)) continue;
    yield* differencesOf(sides, name, Math.max(...found.map((one) => one?.aggregate.rows ?? 0)));
  }
}

function isAgreed(found: readonly (SurveyedPartition | undefined)[], owners: number): boolean {
  const digest = found[0]?.aggregate.digest;
  // A stranger that holds the very same still has to give it back.
  return found.every((one, at) =>
    at >= owners ? one === undefined : one?.aggregate.digest === digest,
  );
}

export function partitionPages(peer: Peer, [from, until]: readonly [number, number]) {
  return async (last: SurveyedPartition | undefined) => {
    const after = last === undefined ? {} : { after: nameOf(last) };
    const limit = surveyEntriesMax;
    const reply = await peer.survey({ what: 'partitions', from, until, limit, ...after });
    return { items: reply.partitions, more: reply.next !== undefined };
  };
}

function nameOf({ table, partition, hash }: PartitionName): PartitionName {
  return { table, partition, hash };
}

/** The order in which devices list them: that of their index's texts. */
export function comparePartitions(a: PartitionName, b: PartitionName): number {
  return (
    a.hash - b.hash ||
    compareUtf8(a.table, b.table) ||
    a.partition.length - b.partition.length ||
    compareUtf8(a.partition, b.partition)
  );
}

async function* differencesOf(
  sides: RowSides,
  found: SurveyedPartition,
  rows: number,
): AsyncGenerator<RowDifference, void> {
  const name = nameOf(found);
  const all = [...sides.owners, ...sides.strangers];
  const buckets = rows > listedRowsMax ? await differingBuckets(sides, name) : undefined;
  if (buckets?.length === 0) return;
  const lists = all.map((peer) => paged(versionPages(peer, name, buckets)));
  for await (const versions of merged(lists, compareSorts)) {
    const difference = judge(sides, name, versions);
    if (difference !== undefined) yield difference;
  }
}

/** Where owners differ, or a stranger has anything. */
async function differingBuckets(
  { owners, strangers }: RowSides,
  within: PartitionName,
): Promise<readonly number[] | undefined> {
  const count = 2 ** bucketPower;
  const ask = { what: 'digests', power: bucketPower, first: 0, count, within } as const;
  const digestsOf = (peers: readonly Peer[]) =>
    Promise.all(peers.map(async (peer) => (await peer.survey(ask)).digests));
  const [owned, kept] = await Promise.all([digestsOf(owners), digestsOf(strangers)]);
  const buckets: number[] = [];
  for (let bucket = 0; bucket < count; bucket++) {
    const pieceOf = (bytes: Buffer) =>
      bytes.subarray(bucket * digestBytes, (bucket + 1) * digestBytes);
    const [first, ...others] = owned.map(pieceOf);
    const agreed = first === undefined || others.every((other) => other.equals(first));
    if (!agreed || kept.some((bytes) => !pieceOf(bytes).equals(noRows))) buckets.push(bucket);
  }
  return buckets.length > bucketsMax ? undefined : buckets;
}

function versionPages(peer: Peer, of: PartitionName, buckets: readonly number[] | undefined) {
  return async (last: SurveyedVersion | undefined) => {
    const reply = await peer.survey({
      ...{ what: 'versions', of, limit: surveyEntriesMax },
      ...(last === undefined ? {} : { after: last.sort }),
      ...(buckets === undefined ? {} : { power: bucketPower, buckets }),
    });
    return { items: reply.versions, more: reply.next !== undefined };
  };
}

function compareSorts(a: SurveyedVersion, b: SurveyedVersion): number {
  return compareUtf8(a.sort, b.sort);
}

/** Invariant: only the newest version is ever spread; an older one never replaces it. */
function judge(
  { owners, strangers }: RowSides,
  name: PartitionName,
  versions: readonly (SurveyedVersion | undefined)[],
): RowDifference | undefined {
  let newest: SurveyedVersion | undefined;
  for (const one of versions)
    if (one !== undefined && (newest === undefined || isNewer(one, newest))) newest = one;
  if (newest === undefined) return undefined;
  const { sort, version } = newest;
  const has = (at: number) => {
    const one = versions[at];
    return one !== undefined && compareVersions(one.version, version) === 0;
  };
  const all = [...owners, ...strangers];
  const behind = owners.filter((_, at) => !has(at));
  const kept = strangers.flatMap((peer, at): readonly KeptRow[] => {
    const one = versions[owners.length + at];
    return one === undefined ? [] : [{ peer, version: one.version }];
  });
  if (behind.length + kept.length === 0) return undefined;
  return { key: { ...name, sort }, holders: all.filter((_, at) => has(at)), behind, kept };
}

function isNewer(a: SurveyedVersion, b: SurveyedVersion): boolean {
  return compareVersions(a.version, b.version) > 0;
}
