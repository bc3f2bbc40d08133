/** Who holds which fragment: fragment i is on the i-th owner of its ring partition, in a ring with a replica for each fragment. */
import { Failure } from '#common';
import type { BlobKey } from '#wire';
import type { Core } from '../core.ts';
import type { Placement } from '../placement.ts';
import type { Replica } from '../replica.ts';
import { type Code, fragmentId } from './code.ts';
import { type FragmentRing, fragmentPlacement } from './fragment-ring.ts';

/** By the number of fragments of a blob, who holds which. */
export type PlaceFragments = (width: number) => Placement;

/** As the devices of a ring have it. Without any there is no place for fragments. */
export function fragmentsOver(ring: object): PlaceFragments {
  return (width) => {
    if (isFragmentRing(ring)) return fragmentPlacement(ring, width);
    throw new Failure('invalid', 'fragment-ring-missing', 'Nothing says where fragments belong', {
      facts: { fragments: width },
    });
  };
}

function isFragmentRing(ring: object): ring is FragmentRing {
  return 'devices' in ring && 'partitionOf' in ring;
}

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
  private place: PlaceFragments;
  private rings = new Map<number, Placement>();
  // One array for each set of owners, as the placement hands them out.
  private known = new Map<number, WeakMap<readonly number[], readonly Replica[]>>();

  constructor(core: Core, place: PlaceFragments) {
    this.core = core;
    this.place = place;
  }

  /** Goes by another ring from now on. */
  follow(place: PlaceFragments): void {
    this.place = place;
    this.rings = new Map();
    this.known = new Map();
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
    let ring = this.rings.get(width);
    if (ring === undefined) {
      ring = this.place(width);
      this.rings.set(width, ring);
    }
    return ring;
  }
}

export function fragmentKey({ id, hash }: CodedKey, index: number): BlobKey {
  return { id: fragmentId(id, index), hash };
}
