/** Joins the parts of the cluster client: tables and blobs over the devices of a ring. */
import type { Clock, Logger, Metrics, Random } from '#common';
import type { DeviceService, Row } from '#wire';
import type { Blobs } from './blobs.ts';
import { Core } from './core.ts';
import { ErasureBlobs } from './erasure/erasure-blobs.ts';
import { FragmentPlaces, fragmentsOver, type PlaceFragments } from './erasure/fragment-places.ts';
import { PolicyBlobs } from './erasure/policy-blobs.ts';
import { HybridClock } from './hybrid-clock.ts';
import { KeyHasher } from './key-hash.ts';
import type { Placement } from './placement.ts';
import { ReplicatedBlobs } from './replicated-blobs.ts';
import { ReplicatedTables } from './replicated-tables.ts';
import { type RingLike, ringPlacement } from './ring-placement.ts';
import type { ClusterSettings } from './settings.ts';
import type { RowRef, Tables } from './tables.ts';
import { TimerWheel } from './timer-wheel.ts';

export interface ClusterParts {
  /** A ring, or any other placement. */
  readonly ring: RingLike | Placement;
  /** Of erasure-coded blobs; as the ring's devices have it by default. */
  readonly placeFragments?: PlaceFragments;
  /** By the ring's device numbers. */
  readonly devices: ReadonlyMap<number, DeviceService>;
  /** The cluster's secret, 16 bytes or more. */
  readonly salt: Buffer;
  /** 32 bits, different for every process and every start of one: take it at random. */
  readonly coordinator: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: ClusterSettings;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface DeviceHealth {
  readonly device: number;
  /** `aside`: it failed several times in a row and is not waited for at the moment. */
  readonly state: 'ok' | 'aside';
  readonly inFlight: number;
  readonly lastError: unknown;
}

export interface ClusterHealth {
  readonly devices: readonly DeviceHealth[];
  /** Copies that wait to be mended. */
  readonly repairsPending: number;
}

export interface Cluster {
  readonly tables: Tables;
  readonly blobs: Blobs;
  health(): ClusterHealth;
  /**
   * For a row whose newest version, `held` (with its body), some primary refuses since it promised to take nothing older than a change that never came:
   * the row as it is, or `held` if that is newer, under a new version, which all take.
   */
  renew(ref: RowRef, held: Row): Promise<void>;
  /**
   * Goes by another ring from now on, over these devices. Of two rings in succession one must be a joint one or they must differ by nothing that is
   * stored (`#ring` has `JointRing`). Resolves when nothing is under way any more that began by an earlier one.
   */
  follow(ring: RingLike | Placement, devices: ReadonlyMap<number, DeviceService>): Promise<void>;
  /** Ends background work; calls in flight end by themselves, at their deadline at the latest. The devices stay open, they are the caller's. */
  close(): Promise<void>;
}

export function createCluster(parts: ClusterParts): Cluster {
  const wheel = new TimerWheel(parts.clock);
  const core = new Core({
    placement: placementOf(parts.ring),
    devices: parts.devices,
    hasher: new KeyHasher(parts.salt),
    versions: new HybridClock(parts.clock, parts.coordinator),
    wheel,
    clock: parts.clock,
    random: parts.random,
    settings: parts.settings,
    log: parts.log.child({ room: 'cluster' }),
    metrics: parts.metrics,
  });
  const tables = new ReplicatedTables(core);
  const blobs = new ReplicatedBlobs(core);
  const places = new FragmentPlaces(core, parts.placeFragments ?? fragmentsOver(parts.ring));
  return {
    tables,
    blobs: new PolicyBlobs(blobs, new ErasureBlobs(core, places)),
    health: () => ({
      devices: core.all.map((replica) => ({
        device: replica.device,
        state: replica.aside ? 'aside' : 'ok',
        inFlight: replica.inFlight,
        lastError: replica.lastError,
      })),
      repairsPending: tables.repair.pending + blobs.repair.pending,
    }),
    renew: (ref, held) => tables.renew(ref, held),
    follow: (ring, devices) => {
      const followed = core.follow(placementOf(ring), devices);
      places.follow(parts.placeFragments ?? fragmentsOver(ring));
      return followed;
    },
    close: async () => {
      tables.repair.close();
      blobs.repair.close();
    },
  };
}

function placementOf(ring: RingLike | Placement): Placement {
  return 'primariesOf' in ring ? ring : ringPlacement(ring);
}
