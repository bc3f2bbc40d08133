/** Which devices hold a key: the little that the cluster needs to know of a ring. */

export interface Placement {
  /** Device numbers of the primaries of a hash (its upper bits are the ring partition). */
  primariesOf(hash: number): readonly number[];
  /** Device numbers that stand in for primaries, best first, primaries left out. */
  handoffsOf(hash: number): Iterable<number>;
  /** Every distinct set of primaries that anybody may write to, to know which devices must hear of a fence. */
  replicaSets(): Iterable<readonly number[]>;
  /**
   * While a replica of this hash's partition moves: how many of its last primaries are being filled, so that readers ask them last. Undefined
   * while none moves.
   */
  newcomersOf?(hash: number): number | undefined;
}

/** Every key on the same devices; the others stand in. For tests and clouds of a few devices. */
export function fixedPlacement(
  primaries: readonly number[],
  handoffs: readonly number[] = [],
): Placement {
  return {
    primariesOf: () => primaries,
    handoffsOf: () => handoffs,
    replicaSets: () => [primaries],
  };
}
