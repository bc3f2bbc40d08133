/** An invariant of the inspectors; when one breaks the file is not trusted. */
import { Failure } from '#common';

export function assertFact(fact: boolean): asserts fact {
  if (!fact) throw new Failure('bug', 'inspector-broken', 'An image inspector lost its place');
}
