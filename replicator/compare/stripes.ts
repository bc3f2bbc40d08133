/** Finds the erasure-coded blobs of which some owner lacks its fragment, or some other device has one. */
import { type Code, codeOfId, fragmentOf, isFragmentId } from '#cluster';
import type { BlobInfo } from '#wire';
import type { Layout } from '../layout.ts';
import type { Peer } from '../peer.ts';
import { blobPages, compareBlobs } from './blob-differences.ts';
import { merged, paged } from './merge.ts';

export interface Stripe {
  readonly blobId: string;
  readonly hash: number;
  readonly code: Code;
  /** Of every fragment. */
  readonly fragmentLength: number;
  /** By fragment. */
  readonly holders: ReadonlyMap<number, readonly Peer[]>;
}

/** All stripes that these devices know of, in order of place; `hash`: of this hash only. */
export async function* stripesOn(
  peers: readonly Peer[],
  hash?: number,
): AsyncGenerator<Stripe, void> {
  const range = hash === undefined ? ([0, 2 ** 32] as const) : ([hash, hash + 1] as const);
  const lists = peers.map((peer) => paged<BlobInfo>(blobPages(peer, range)));
  let open: { blobId: string; first: BlobInfo; holders: Map<number, Peer[]> } | undefined;
  for await (const found of merged(lists, compareBlobs)) {
    const fragment = found.find((one) => one !== undefined);
    if (fragment === undefined || !isFragmentId(fragment.id)) continue;
    const { blobId, index } = fragmentOf(fragment.id);
    if (open !== undefined && open.blobId !== blobId) {
      yield* stripeOf(open);
      open = undefined;
    }
    open ??= { blobId, first: fragment, holders: new Map() };
    open.holders.set(
      index,
      peers.filter((_, at) => found[at] !== undefined),
    );
  }
  if (open !== undefined) yield* stripeOf(open);
}

function* stripeOf(open: {
  readonly blobId: string;
  readonly first: BlobInfo;
  readonly holders: ReadonlyMap<number, readonly Peer[]>;
}): Generator<Stripe, void> {
  const code = codeOfId(open.blobId);
  if (code === undefined) return;
  const { hash, length } = open.first;
  const { blobId, holders } = open;
  yield { blobId, hash, code, fragmentLength: length, holders };
}

export interface Amiss {
  /** Fragments that their owner, who answers, does not have. */
  readonly lacking: readonly number[];
  /** Fragments kept by others than their owner. */
  readonly strange: readonly number[];
}

export function amissIn(layout: Layout, { hash, code, holders }: Stripe): Amiss {
  const owners = layout.fragmentOwners(code, hash);
  const indexes = [...owners.keys()];
  return {
    lacking: indexes.filter((index) => {
      const owner = owners[index];
      return owner !== undefined && !(holders.get(index) ?? []).includes(owner);
    }),
    strange: indexes.filter((index) =>
      (holders.get(index) ?? []).some((holder) => holder !== owners[index]),
    ),
  };
}
