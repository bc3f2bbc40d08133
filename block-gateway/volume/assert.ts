/** Guards an invariant; always on. A broken one is a bug, and going on could turn it into lost data. */
import { Failure } from '#common';

export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new Failure('bug', 'invariant-broken', `Broken invariant: ${invariant}`);
}
