/**
 * Two rings of which one follows the other, as one: while a replica of a partition moves, its owners are those of both. A partition has then one
 * owner more than before, and majorities of n, of n + 1 and of n owners meet one after the other (as in Raft's changes of a single server), so
 * whoever reads by one of two neighbours in this row sees what was written by the other.
 */
import { Failure } from '#common';
import type { RingDevice } from './device.ts';
import { planMoves } from './moves.ts';
import type { Handoff, Ring } from './placement.ts';

/** What a `Ring` and a `JointRing` have in common: all that is asked by those who store and find. */
export type RingView = Pick<
  Ring,
  'partPower' | 'partitionCount' | 'devices' | 'partitionOf' | 'primaries' | 'handoffs'
>;

export class JointRing implements RingView {
  readonly before: Ring;
  readonly after: Ring;
  readonly devices: readonly (RingDevice | undefined)[];

  /** Invariant: no partition has more than one replica in motion. */
  constructor(before: Ring, after: Ring) {
    if (planMoves(before, after).worstPartitionMoves > 1 || leavesTogether(before, after) > 1)
      throw new Failure('bug', 'ring-invariant', 'More than one replica of a partition would move');
    this.before = before;
    this.after = after;
    const count = Math.max(before.devices.length, after.devices.length);
    this.devices = Array.from(
      { length: count },
      (_, id) => after.devices[id] ?? before.devices[id],
    );
  }

  get partPower(): number {
    return this.after.partPower;
  }

  get partitionCount(): number {
    return this.after.partitionCount;
  }

  partitionOf(hashTop32: number): number {
    return this.after.partitionOf(hashTop32);
  }

  primaries(partition: number): RingDevice[] {
    const owners = this.before.primaries(partition);
    const ids = new Set(owners.map(({ id }) => id));
    return [...owners, ...this.after.primaries(partition).filter(({ id }) => !ids.has(id))];
  }

  *handoffs(partition: number): Generator<Handoff, void, undefined> {
    const used = new Set(this.primaries(partition).map(({ id }) => id));
    let handoffIndex = 0;
    for (const ring of [this.after, this.before])
      for (const { device } of ring.handoffs(partition)) {
        if (used.has(device.id)) continue;
        used.add(device.id);
        yield { device, handoffIndex: handoffIndex++ };
      }
  }
}

function leavesTogether(before: Ring, after: Ring): number {
  return planMoves(after, before).worstPartitionMoves;
}
