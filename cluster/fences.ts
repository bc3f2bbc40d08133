/**
 * Raises fences so that no older writer can reach a majority of any set of primaries: in each set of n devices, at
 * least n − majority + 1 must have heard of it. Fenced blobs never go to handoffs, so sets of primaries are all there are.
 */
import { Failure } from '#common';
import type { Fence } from '#wire';
import type { Core } from './core.ts';
import type { Placement } from './placement.ts';
import { quorumFailure, type ReplicaFailure, thresholdsOf } from './quorum.ts';

export class Fences {
  private readonly core: Core;
  private cover: (Cover & { readonly placement: Placement }) | undefined;

  constructor(core: Core) {
    this.core = core;
  }

  raise(fence: Fence): Promise<void> {
    const { placement } = this.core;
    if (this.cover?.placement !== placement)
      this.cover = { placement, ...coverOf(placement.replicaSets()) };
    const { cover } = this;
    const needed = Uint32Array.from(cover.needed);
    let uncovered = needed.length;
    let open = cover.setsOf.size;
    const failures: ReplicaFailure[] = [];
    return new Promise((resolve, reject) => {
      const decide = () => {
        if (uncovered === 0) resolve();
        else if (open === 0) reject(quorumFailure('fence', failures));
      };
      decide();
      for (const [device, sets] of cover.setsOf) {
        const raised = this.core
          .replica(device)
          .call('row', 0, (service) => service.raiseFence(fence));
        raised.then(
          (epoch) => {
            open -= 1;
            if (epoch > fence.epoch) return reject(overtaken(fence, epoch));
            for (const set of sets) {
              const left = (needed[set] ?? 0) - 1;
              needed[set] = Math.max(0, left);
              if (left === 0) uncovered -= 1;
            }
            return decide();
          },
          (error: unknown) => {
            open -= 1;
            failures.push({ device, error });
            decide();
          },
        );
      }
    });
  }
}

interface Cover {
  /** How many devices of each set must hear of a fence. */
  readonly needed: readonly number[];
  /** The sets each device belongs to. */
  readonly setsOf: ReadonlyMap<number, readonly number[]>;
}

function coverOf(sets: Iterable<readonly number[]>): Cover {
  const needed: number[] = [];
  const setsOf = new Map<number, number[]>();
  for (const set of sets) {
    for (const device of set) {
      const known = setsOf.get(device);
      if (known === undefined) setsOf.set(device, [needed.length]);
      else known.push(needed.length);
    }
    needed.push(thresholdsOf(set.length).blocking);
  }
  return { needed, setsOf };
}

function overtaken(fence: Fence, epoch: number): Failure {
  return new Failure('denied', 'fenced', 'A newer epoch is in force', {
    facts: { scope: fence.scope, epoch: fence.epoch, inForce: epoch },
  });
}
