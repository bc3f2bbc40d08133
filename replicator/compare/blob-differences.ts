/** Finds the blobs of one ring partition that some of its owners lack, and those that others keep for them. */
import { isFragmentId } from '#cluster';
import { type BlobInfo, type BlobKey, surveyEntriesMax } from '#wire';
import type { Peer } from '../peer.ts';
import { merged, paged } from './merge.ts';
import type { RowSides } from './row-differences.ts';

export interface BlobDifference {
  readonly blob: BlobInfo;
  readonly behind: readonly Peer[];
  readonly strangers: readonly Peer[];
}

export async function* blobDifferences(
  { owners, strangers }: RowSides,
  hashes: readonly [number, number],
): AsyncGenerator<BlobDifference, void> {
  const lists = [...owners, ...strangers].map((peer) => paged(blobPages(peer, hashes)));
  for await (const found of merged(lists, compareBlobs)) {
    const blob = found.find((one) => one !== undefined);
    // Fragments are no copies of each other: `workers/rebuild.ts`.
    if (blob === undefined || isFragmentId(blob.id)) continue;
    const behind = owners.filter((_, at) => found[at] === undefined);
    const keepers = strangers.filter((_, at) => found[owners.length + at] !== undefined);
    if (behind.length > 0 || keepers.length > 0) yield { blob, behind, strangers: keepers };
  }
}

export function blobPages(peer: Peer, [from, until]: readonly [number, number]) {
  return async (last: BlobInfo | undefined) => {
    const after = last === undefined ? beforeFirst(from) : { id: last.id, hash: last.hash };
    const infos = await peer.call((service) =>
      service.listBlobs({ limit: surveyEntriesMax, ...(after === undefined ? {} : { after }) }),
    );
    const items = infos.filter(({ hash }) => hash < until);
    return { items, more: items.length === surveyEntriesMax };
  };
}

/** The last id that a smaller hash could have. */
function beforeFirst(hash: number): BlobKey | undefined {
  return hash === 0 ? undefined : { hash: hash - 1, id: 'f'.repeat(32) };
}

export function compareBlobs(a: BlobKey, b: BlobKey): number {
  return a.hash - b.hash || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
