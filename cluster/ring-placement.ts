/** A ring, or two that follow each other, as a placement: remembers the primaries of each partition it was asked for. */
import type { Placement } from './placement.ts';

/** What is asked of a ring (`#ring` has the real one). */
export interface RingLike {
  readonly partitionCount: number;
  partitionOf(hash: number): number;
  primaries(partition: number): readonly { readonly id: number }[];
  handoffs(partition: number): Iterable<{ readonly device: { readonly id: number } }>;
  /** While replicas move: the rings on both sides of the move. `primaries` are those of both, what arrives last. */
  readonly before?: RingLike;
  readonly after?: RingLike;
}

export function ringPlacement(ring: RingLike): Placement {
  const remembered: (readonly number[] | undefined)[] = new Array(ring.partitionCount);
  const primariesOf = (partition: number): readonly number[] => {
    const known = remembered[partition];
    if (known !== undefined) return known;
    const primaries = Object.freeze(ring.primaries(partition).map((device) => device.id));
    remembered[partition] = primaries;
    return primaries;
  };
  const { before, after } = ring;
  return {
    primariesOf: (hash) => primariesOf(ring.partitionOf(hash)),
    *handoffsOf(hash) {
      for (const handoff of ring.handoffs(ring.partitionOf(hash))) yield handoff.device.id;
    },
    *replicaSets() {
      yield* distinctSets(ring, primariesOf);
      // Who has not heard of the move, or has heard of its end already, writes to these.
      for (const side of [before, after])
        if (side !== undefined)
          yield* distinctSets(side, (partition) => side.primaries(partition).map(({ id }) => id));
    },
    ...(before === undefined || after === undefined
      ? {}
      : {
          newcomersOf: (hash) => {
            const partition = ring.partitionOf(hash);
            const all = primariesOf(partition).length;
            const newcomers = all - before.primaries(partition).length;
            const leaving = all - after.primaries(partition).length;
            return newcomers + leaving === 0 ? undefined : newcomers;
          },
        }),
  };
}

function* distinctSets(
  { partitionCount }: RingLike,
  primariesOf: (partition: number) => readonly number[],
): Generator<readonly number[], void, undefined> {
  const seen = new Set<string>();
  for (let partition = 0; partition < partitionCount; partition++) {
    const primaries = primariesOf(partition);
    const name = [...primaries].sort((a, b) => a - b).join();
    if (seen.has(name)) continue;
    seen.add(name);
    yield primaries;
  }
}
