/**
 * Whether a recorded history of one register could have happened one operation at a time, each at some moment between its start and its end
 * (Wing and Gong's search, with the states that were tried remembered as Lowe does).
 */

/** The value that a register holds; undefined for none. */
export type Value = string | undefined;

export interface Operation {
  readonly startMs: number;
  /** Infinity when it is not known whether it took effect. */
  readonly endMs: number;
  /** The state after it, or `impossible` when it could not have answered as it did. */
  readonly apply: (state: Value) => { readonly next: Value } | 'impossible';
  /** Its outcome is unknown: it may never have happened. */
  readonly mayVanish: boolean;
  readonly told: string;
}

/** Undefined when there is an order; else the longest one found, for people to read. */
export function findViolation(
  history: readonly Operation[],
  first: Value,
): readonly string[] | undefined {
  const operations = [...history].sort((a, b) => a.startMs - b.startMs);
  const tried = new Set<string>();
  let longest: readonly string[] = [];
  const search = (done: bigint, state: Value, order: readonly string[]): boolean => {
    if (order.length > longest.length) longest = order;
    const open = operations.flatMap((operation, at) =>
      (done & (1n << BigInt(at))) === 0n ? [{ operation, bit: 1n << BigInt(at) }] : [],
    );
    if (open.every(({ operation }) => operation.mayVanish)) return true;
    const key = `${done} ${state}`;
    if (tried.has(key)) return false;
    tried.add(key);
    // Nothing may come before an operation that had ended when it began.
    const limitMs = Math.min(...open.map(({ operation }) => operation.endMs));
    for (const { operation, bit } of open) {
      if (operation.startMs > limitMs) continue;
      const outcome = operation.apply(state);
      if (outcome === 'impossible') continue;
      if (search(done | bit, outcome.next, [...order, operation.told])) return true;
    }
    return false;
  };
  return search(0n, first, []) ? undefined : longest;
}
