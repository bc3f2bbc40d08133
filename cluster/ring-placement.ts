/** A ring as a placement: remembers the primaries of each partition it was asked for. */
import type { Placement } from './placement.ts';

/** What is asked of a ring (`#ring` has the real one). */
export interface RingLike {
  readonly partitionCount: number;
  partitionOf(hash: number): number;
  primaries(partition: number): readonly { readonly id: number }[];
  handoffs(partition: number): Iterable<{ readonly device: { readonly id: number } }>;
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
  return {
    primariesOf: (hash) => primariesOf(ring.partitionOf(hash)),
    *handoffsOf(hash) {
      for (const handoff of ring.handoffs(ring.partitionOf(hash))) yield handoff.device.id;
    },
    *replicaSets() {
      const seen = new Set<string>();
      for (let partition = 0; partition < ring.partitionCount; partition++) {
        const primaries = primariesOf(partition);
        const name = [...primaries].sort((a, b) => a - b).join();
        if (seen.has(name)) continue;
        seen.add(name);
        yield primaries;
      }
    },
  };
}
