/**
 * Reverting: the head is pointed back to a point of its past. Segment numbers go on rising, so that "written before" keeps its meaning
 * for all pins; what was written since is `abandoned`, and the next opening takes over whatever pins still need of it.
 */
import { endOf, type VolumeHead } from '../volume/head.ts';
import { closeRuns, rebase } from '../volume/past.ts';
import type { Pin } from '../volume/pin-rows.ts';

/** The head must be that of a volume nobody has open. */
export function revertedHead(head: VolumeHead, pin: Pin, nowUs: number): VolumeHead {
  const end = endOf(head);
  const { checkpoint } = head;
  const left = {
    ...(checkpoint === undefined ? {} : { checkpoint }),
    tail: closeRuns(head.tail, end),
  };
  // Whoever looked at the head before may not take it for the same.
  const epoch = head.epoch + 1;
  const before = { ...head, epoch, abandoned: [...(head.abandoned ?? []), left] };
  const manifest = {
    ...(pin.checkpoint === undefined ? {} : { checkpoint: pin.checkpoint }),
    tail: [...pin.tail, { epoch, first: end }],
  };
  return rebase(before, { manifest, next: end, nowUs });
}
