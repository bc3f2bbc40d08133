/** Which devices there are and what each should hold. */
import type { Clock } from '#common';
import type { DeviceService } from '#wire';
import { Peer } from './peer.ts';

/** What is asked of a ring (`#ring` has the real one). */
export interface ReplicatorRing {
  readonly partitionCount: number;
  primaries(partition: number): readonly { readonly id: number }[];
}

export interface LayoutParts {
  readonly ring: ReplicatorRing;
  readonly devices: ReadonlyMap<number, DeviceService>;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

export class Layout {
  readonly partitionCount: number;
  /** The ring has 2^power partitions. */
  readonly power: number;
  readonly peers: readonly Peer[];
  private readonly ring: ReplicatorRing;
  private readonly byDevice: ReadonlyMap<number, Peer>;
  private readonly known = new Map<number, readonly number[]>();

  constructor({ ring, devices, clock, timeoutMs }: LayoutParts) {
    this.ring = ring;
    this.partitionCount = ring.partitionCount;
    this.power = Math.round(Math.log2(ring.partitionCount));
    this.peers = [...devices].map(
      ([device, service]) => new Peer({ device, service, clock, timeoutMs }),
    );
    this.byDevice = new Map(this.peers.map((peer) => [peer.device, peer]));
  }

  primariesOf(partition: number): readonly number[] {
    const known = this.known.get(partition);
    if (known !== undefined) return known;
    const primaries = this.ring.primaries(partition).map(({ id }) => id);
    this.known.set(partition, primaries);
    return primaries;
  }

  primariesOfHash(hash: number): readonly number[] {
    return this.primariesOf(this.power === 0 ? 0 : hash >>> (32 - this.power));
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
