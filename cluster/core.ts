/** What every part of the cluster client shares: replicas by place, versions, deadlines, settings and counters. */
import { type Clock, Counter, Failure, type Logger, type Metrics, type Random } from '#common';
import type { DeviceService } from '#wire';
import { absentDevice } from './absent-device.ts';
import { Epochs } from './epochs.ts';
import type { ReplicaSet } from './gather.ts';
import type { HybridClock } from './hybrid-clock.ts';
import type { KeyHasher } from './key-hash.ts';
import type { Placement } from './placement.ts';
import { Replica } from './replica.ts';
import type { ClusterSettings } from './settings.ts';
import type { TimerWheel } from './timer-wheel.ts';

export interface CoreParts {
  readonly placement: Placement;
  readonly devices: ReadonlyMap<number, DeviceService>;
  readonly hasher: KeyHasher;
  readonly versions: HybridClock;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: ClusterSettings;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export class Core {
  /** Another one may take its place at any time: what must agree with itself looks once. */
  placement: Placement;
  readonly epochs = new Epochs();
  readonly hasher: KeyHasher;
  readonly versions: HybridClock;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: ClusterSettings;
  readonly log: Logger;
  readonly counters: Counters;
  private readonly replicas = new Map<number, Replica>();
  // One array per set of primaries, as the placement hands them out: no allocation on the hot path.
  private readonly sets = new WeakMap<readonly number[], ReplicaSet>();

  constructor(parts: CoreParts) {
    this.placement = parts.placement;
    this.hasher = parts.hasher;
    this.versions = parts.versions;
    this.wheel = parts.wheel;
    this.clock = parts.clock;
    this.random = parts.random;
    this.settings = parts.settings;
    this.log = parts.log;
    this.counters = createCounters(parts.metrics);
    for (const [device, service] of parts.devices) this.addReplica(device, service);
  }

  get all(): readonly Replica[] {
    return [...this.replicas.values()];
  }

  /** Resolves when nothing is under way any more that began by an earlier placement. */
  follow(placement: Placement, devices: ReadonlyMap<number, DeviceService>): Promise<void> {
    for (const [device, service] of devices)
      if (this.replicas.get(device)?.isWayTo(service) !== true) this.addReplica(device, service);
    for (const device of this.replicas.keys())
      if (!devices.has(device)) this.replicas.delete(device);
    this.placement = placement;
    return this.epochs.next();
  }

  primariesOf(hash: number): ReplicaSet {
    const primaries = this.placement.primariesOf(hash);
    const known = this.sets.get(primaries);
    if (known !== undefined) return known;
    const replicas: ReplicaSet = Object.assign(
      primaries.map((device) => this.replica(device)),
      movingOf(this.placement.newcomersOf?.(hash)),
    );
    this.sets.set(primaries, replicas);
    return replicas;
  }

  *handoffsOf(hash: number): Generator<Replica, void, undefined> {
    for (const device of this.placement.handoffsOf(hash)) yield this.replica(device);
  }

  /** A short random rest before trying again, longer with each attempt, so that rivals don't meet again. */
  rest(attempt: number): Promise<void> {
    const mostMs = Math.min(64, 2 ** attempt);
    return this.clock.sleep(this.random.unit() * mostMs);
  }

  replica(device: number): Replica {
    const known = this.replicas.get(device);
    if (known !== undefined) return known;
    // The ring may name a device that this process has no way to: it is a replica that always fails.
    return this.addReplica(device, absentDevice(noWay(device)));
  }

  private addReplica(device: number, service: DeviceService): Replica {
    const onFailure = (failed: number, error: unknown) => {
      this.counters.deviceFailures.inc({ device: failed });
      this.log.debug({ device: failed, err: error }, 'a device failed a call');
    };
    const { clock, wheel, settings } = this;
    const replica = new Replica({ device, service, clock, wheel, settings, onFailure });
    this.replicas.set(device, replica);
    return replica;
  }
}

/** Left out where nothing moves. */
function movingOf(newcomers: number | undefined): { readonly newcomers?: number } {
  return newcomers === undefined ? {} : { newcomers };
}

function noWay(device: number): Failure {
  return new Failure('unreachable', 'device-unknown', 'There is no way to this device', {
    facts: { device },
  });
}

export interface Counters {
  readonly deviceFailures: Counter<'device'>;
  readonly repairs: Counter<'what' | 'outcome'>;
  readonly handoffs: Counter<'what'>;
  readonly contended: Counter<'what'>;
  readonly listings: Counter<'way'>;
  readonly codedReads: Counter<'way'>;
}

function createCounters(metrics: Metrics): Counters {
  const counter = <L extends string>(name: string, help: string, labels: readonly L[]) =>
    new Counter({
      name: `pileus_cluster_${name}`,
      help,
      labelNames: [...labels],
      registers: [metrics],
    });
  return {
    deviceFailures: counter(
      'device_failures_total',
      'Calls that a device failed or did not answer',
      ['device'],
    ),
    repairs: counter('repairs_total', 'Bad or old copies written anew on the way of a read', [
      'what',
      'outcome',
    ]),
    handoffs: counter('handoffs_total', 'Writes taken by a stand-in for a primary', ['what']),
    contended: counter('contended_total', 'Attempts that met a newer version and were made again', [
      'what',
    ]),
    codedReads: counter(
      'coded_reads_total',
      'Reads of segments of erasure-coded blobs: whole, or recovered from other fragments',
      ['way'],
    ),
    listings: counter(
      'scans_total',
      'Pages read, by one replica with matching digests or by merging',
      ['way'],
    ),
  };
}
