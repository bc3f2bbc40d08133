/** Who holds which fragment: fragment i is on the i-th owner of its ring partition, in a ring with a replica for each fragment. */
import { Failure } from '#common';
import type { BlobKey } from '#wire';
import type { Core } from '../core.ts';
import type { Placement } from '../placement.ts';
import type { Replica } from '../replica.ts';
import { type RingLike, ringPlacement } from '../ring-placement.ts';
import { type Code, fragmentId } from './code.ts';

/** By the number of fragments of a blob. */
export type FragmentRings = ReadonlyMap<number, RingLike | Placement>;

/** Where there are fewer owners than fragments, they take turns. */
export function ownersOf<T>(owners: readonly T[], fragments: number): T[] {
  return Array.from({ length: fragments }, (_, index) => owners[index % owners.length]).filter(
    (owner) => owner !== undefined,
  );
}

/** A blob that is stored in fragments. */
export interface CodedKey {
  readonly id: string;
  readonly code: Code;
  readonly hash: number;
}

export class FragmentPlaces {
  private readonly core: Core;
  private readonly rings: ReadonlyMap<number, Placement>;
  // One array for each set of owners, as the placement hands them out.
  private readonly known = new Map<number, WeakMap<readonly number[], readonly Replica[]>>();

  constructor(core: Core, rings: FragmentRings) {
    this.core = core;
    this.rings = new Map(
      [...rings].map(([width, ring]) => [
        width,
        'primariesOf' in ring ? ring : ringPlacement(ring),
      ]),
    );
  }

  /** One device for each fragment. */
  owners({ code, hash }: CodedKey): readonly Replica[] {
    const width = code.k + code.m;
    const devices = this.ring(width).primariesOf(hash);
    let known = this.known.get(width);
    if (known === undefined) {
      known = new WeakMap();
      this.known.set(width, known);
    }
    let owners = known.get(devices);
    if (owners === undefined) {
      owners = ownersOf(devices, width).map((device) => this.core.replica(device));
      known.set(devices, owners);
    }
    return owners;
  }

  *handoffs({ code, hash }: CodedKey): Generator<Replica, void, undefined> {
    for (const device of this.ring(code.k + code.m).handoffsOf(hash))
      yield this.core.replica(device);
  }

  private ring(width: number): Placement {
    const ring = this.rings.get(width);
    if (ring !== undefined) return ring;
    throw new Failure('invalid', 'fragment-ring-missing', 'No ring places so many fragments', {
      facts: { fragments: width },
    });
  }
}

export function fragmentKey({ id, hash }: CodedKey, index: number): BlobKey {
  return { id: fragmentId(id, index), hash };
}
