/** Which devices there are and what each should hold, until another ring takes this one's place. */

import { type Code, fragmentsOver, ownersOf, type PlaceFragments } from '#cluster';
import type { Clock } from '#common';
import type { DeviceService } from '#wire';
import { Peer } from './peer.ts';

/** What is asked of a ring (`#ring` has the real one). */
export interface ReplicatorRing {
  readonly partitionCount: number;
  primaries(partition: number): readonly { readonly id: number }[];
  /** While replicas move: the rings on both sides; `primaries` are those of both. */
  readonly before?: ReplicatorRing;
  readonly after?: ReplicatorRing;
}

export interface LayoutParts {
  readonly ring: ReplicatorRing;
  readonly devices: ReadonlyMap<number, DeviceService>;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** A partition of which a replica arrives at or leaves a device. */
export interface Move {
  readonly partition: number;
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export class Layout {
  readonly partitionCount: number;
  /** The ring has 2^power partitions. */
  readonly power: number;
  /** Rises with every ring. */
  generation = 0;
  peers: readonly Peer[] = [];
  /** By partition; empty while nothing moves. */
  moves: ReadonlyMap<number, Move> = new Map();
  private readonly parts: Pick<LayoutParts, 'clock' | 'timeoutMs'>;
  private ring: ReplicatorRing;
  private placeFragments: PlaceFragments = fragmentsOver({});
  private readonly fragmentRings = new Map<number, ReturnType<PlaceFragments>>();
  private byDevice: ReadonlyMap<number, Peer> = new Map();
  private readonly known = new Map<number, readonly number[]>();

  constructor({ ring, devices, clock, timeoutMs }: LayoutParts) {
    this.parts = { clock, timeoutMs };
    this.ring = ring;
    this.partitionCount = ring.partitionCount;
    this.power = Math.round(Math.log2(ring.partitionCount));
    this.follow(ring, devices);
  }

  /** Rings keep their number of partitions for life. */
  follow(ring: ReplicatorRing, devices: ReadonlyMap<number, DeviceService>): void {
    const { clock, timeoutMs } = this.parts;
    this.ring = ring;
    this.generation += 1;
    this.known.clear();
    this.placeFragments = fragmentsOver(ring);
    this.fragmentRings.clear();
    this.peers = [...devices].map(([device, service]) => {
      const known = this.byDevice.get(device);
      if (known?.isWayTo(service) === true) return known;
      return new Peer({ device, service, clock, timeoutMs });
    });
    this.byDevice = new Map(this.peers.map((peer) => [peer.device, peer]));
    this.moves = movesOf(ring);
  }

  primariesOf(partition: number): readonly number[] {
    const known = this.known.get(partition);
    if (known !== undefined) return known;
    const primaries = idsOf(this.ring, partition);
    this.known.set(partition, primaries);
    return primaries;
  }

  partitionOfHash(hash: number): number {
    return this.power === 0 ? 0 : hash >>> (32 - this.power);
  }

  primariesOfHash(hash: number): readonly number[] {
    return this.primariesOf(this.partitionOfHash(hash));
  }

  /** A device that is being given this partition. */
  isNewcomer(device: number, partition: number): boolean {
    const move = this.moves.get(partition);
    return move?.after.includes(device) === true && !move.before.includes(device);
  }

  /** One for each fragment; undefined where there is no way to it. */
  fragmentOwners({ k, m }: Code, hash: number): readonly (Peer | undefined)[] {
    const width = k + m;
    const ring = this.fragmentRings.get(width) ?? this.placeFragments(width);
    this.fragmentRings.set(width, ring);
    return ownersOf(ring.primariesOf(hash), width).map((device) => this.byDevice.get(device));
  }

  peersOf(devices: readonly number[]): Peer[] {
    return devices.flatMap((device) => this.byDevice.get(device) ?? []);
  }

  /** The hashes of a partition: from the first, up to but without the second. */
  hashesOf(partition: number): readonly [from: number, until: number] {
    const width = 2 ** (32 - this.power);
    return [partition * width, (partition + 1) * width];
  }
}

function movesOf({ before, after, partitionCount }: ReplicatorRing): Map<number, Move> {
  const moves = new Map<number, Move>();
  if (before === undefined || after === undefined) return moves;
  for (let partition = 0; partition < partitionCount; partition++) {
    const old = idsOf(before, partition);
    const now = idsOf(after, partition);
    if (old.length === now.length && old.every((id) => now.includes(id))) continue;
    moves.set(partition, { partition, before: old, after: now });
  }
  return moves;
}

function idsOf(ring: ReplicatorRing, partition: number): number[] {
  return ring.primaries(partition).map(({ id }) => id);
}
