/**
 * Checks that a history of one row is linearizable (Wing and Gong, "Testing and Verifying Concurrent Objects", 1993):
 * is there an order of the operations, in keeping with who ended before who began, in which each sees what it saw?
 */

/** The state of the row: its value, or undefined for none. */
export type State = string | undefined;

export interface Operation {
  readonly what: string;
  readonly start: number;
  /** Infinity for one whose outcome nobody knows: it may take effect at any time, or never. */
  readonly end: number;
  /** The state after it, or `refused` when what it saw contradicts the state before. */
  readonly apply: (state: State) => State | 'refused';
}

export function isLinearizable(history: readonly Operation[]): boolean {
  if (history.length > 30) throw new RangeError('a history too long to check');
  const seen = new Set<string>();
  const search = (done: number, state: State): boolean => {
    if (history.every((operation, at) => (done & (1 << at)) !== 0 || operation.end === Infinity))
      return true;
    const name = `${done}/${state ?? '\0'}`;
    if (seen.has(name)) return false;
    seen.add(name);
    const firstEnd = Math.min(
      ...history.map((operation, at) => ((done & (1 << at)) === 0 ? operation.end : Infinity)),
    );
    return history.some((operation, at) => {
      if ((done & (1 << at)) !== 0 || operation.start > firstEnd) return false;
      const next = operation.apply(state);
      return next !== 'refused' && search(done | (1 << at), next);
    });
  };
  return search(0, undefined);
}
