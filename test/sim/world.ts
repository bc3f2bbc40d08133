/** A whole storage cluster in one process: real devices on disks that forget, a real cluster client, virtual time, one seed. */
import { type Cluster, clusterSettings, createCluster, fixedPlacement, KeyHasher } from '#cluster';
import {
  createMetrics,
  defaultsOf,
  Failure,
  MemoryDisk,
  type Random,
  seededRandom,
  silentLogger,
  VirtualClock,
} from '#common';
import { createReplicator, memoryCursors, type Replicator, replicatorSettings } from '#replicator';
import { type DeviceStore, openDevice, storageNodeSettings } from '#storage-node';
import type { DeviceService } from '#wire';
import { MemoryIndex } from '../../storage-node/index/memory-index.ts';

const deviceCount = 4;
const salt = Buffer.alloc(16, 7);
const owners = [0, 1, 2];
const standIns = [3];
const settings = {
  ...defaultsOf(storageNodeSettings),
  logFileBytes: 256 * 1024,
  logAheadBytes: 16_384,
  groupBytesMax: 64 * 1024,
  reserveBytes: 0,
};

/** A device that can lose its power: its disk as it was left, and a new life on that. */
class Host {
  disk = new MemoryDisk();
  device: DeviceStore | undefined;
  /** An empty disk stands where another was in use. */
  replaced = false;

  /** Everything that was not synced may be gone; whoever calls from now on is refused. */
  powerOff(random: Random): void {
    const left = this.disk.crash(random);
    this.disk.faults.before = (operation, path) => {
      throw new Failure('unreachable', 'disk-error', 'The power is off', {
        facts: { operation, path },
      });
    };
    this.disk = left;
    this.device = undefined;
  }

  get service(): DeviceService {
    if (this.device === undefined)
      throw new Failure('unreachable', 'device-away', 'This device is off');
    return this.device;
  }
}

/** Hands every call to whatever device lives on the host at the moment. */
function through(host: Host): DeviceService {
  return {
    readRow: async (key, want) => host.service.readRow(key, want),
    acceptRow: async (write) => host.service.acceptRow(write),
    prepareRow: async (key, ballot) => host.service.prepareRow(key, ballot),
    scanRows: async (request) => host.service.scanRows(request),
    aggregate: async (table, partition, hash) => host.service.aggregate(table, partition, hash),
    putBlob: async (key, chunks, options) => host.service.putBlob(key, chunks, options),
    openBlob: async (key, options) => host.service.openBlob(key, options),
    readBlob: async (key, offset, length) => host.service.readBlob(key, offset, length),
    statBlob: async (key) => host.service.statBlob(key),
    deleteBlob: async (key) => host.service.deleteBlob(key),
    listBlobs: async (request) => host.service.listBlobs(request),
    raiseFence: async (fence) => host.service.raiseFence(fence),
    status: async () => host.service.status(),
    survey: async (request) => host.service.survey(request),
  };
}

export class World {
  readonly random: Random;
  readonly clock = new VirtualClock();
  readonly hasher = new KeyHasher(salt);
  private readonly hosts = Array.from({ length: deviceCount }, () => new Host());
  private current: Cluster | undefined;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  get cluster(): Cluster {
    if (this.current === undefined) throw new Failure('closed', 'no-cluster', 'The cluster is off');
    return this.current;
  }

  /** Opens what is off, and a cluster client with a coordinator number of its own. */
  async powerOn(): Promise<void> {
    for (const host of this.hosts) {
      if (host.device === undefined) host.device = await this.open(host);
    }
    const devices = new Map(this.hosts.map((host, at) => [at, through(host)]));
    this.current = createCluster({
      ring: fixedPlacement(owners, standIns),
      devices,
      salt,
      coordinator: this.random.below(2 ** 32),
      clock: this.clock,
      random: this.random,
      settings: defaultsOf(clusterSettings),
      log: silentLogger,
      metrics: createMetrics(),
    });
  }

  private async open(host: Host): Promise<DeviceStore> {
    await host.disk.makeDirectory('/device');
    return this.settle(
      openDevice({
        folder: '/device',
        settings,
        disk: host.disk,
        clock: this.clock,
        random: this.random,
        log: silentLogger,
        metrics: createMetrics(),
        replaced: host.replaced,
        // Gone with the power: every life makes its index anew from the log.
        index: new MemoryIndex(),
      }),
    );
  }

  /** The power of these devices goes, at once. */
  powerOff(which: readonly number[]): void {
    for (const at of which) this.hosts[at]?.powerOff(this.random);
  }

  /** This device, which must be off, comes back with an empty disk. */
  replaceDisk(at: number): void {
    const host = this.hosts[at];
    if (host === undefined) return;
    host.disk = new MemoryDisk();
    host.replaced = true;
  }

  replicator(): Replicator {
    return createReplicator({
      ring: { partitionCount: 1, primaries: () => owners.map((id) => ({ id })) },
      devices: new Map(this.hosts.map((host, at) => [at, through(host)])),
      cursors: memoryCursors(),
      clock: this.clock,
      settings: { ...defaultsOf(replicatorSettings), enabled: false, restRatio: 0 },
      log: silentLogger,
      metrics: createMetrics(),
    });
  }

  /** What each owner of everything holds, rows and blobs, as digests. */
  async digests(): Promise<string[]> {
    const ask = { what: 'digests', power: 0, first: 0, count: 1 } as const;
    const hosts = owners.flatMap((at) => this.hosts[at] ?? []);
    const replies = hosts.map((host) => host.service.survey(ask));
    return (await this.settle(Promise.all(replies))).map(({ digests }) => digests.toString('hex'));
  }

  /** Only for looking: what one device has. */
  deviceAt(at: number): DeviceService {
    const host = this.hosts[at];
    if (host === undefined) throw new RangeError(`no device ${at}`);
    return host.service;
  }

  everyDevice(): number[] {
    return this.hosts.map((_, at) => at);
  }

  /** Lets virtual time run until the promise has settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const mark = () => {
      done = true;
    };
    promise.then(mark, mark);
    while (!done) await this.clock.advance(5);
    return promise;
  }
}
