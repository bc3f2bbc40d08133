/** Memory devices that can be away or replaced, a cluster over them, and a replicator: everything follows from a seed. */
import {
  type Cluster,
  clusterSettings,
  createCluster,
  type FragmentDevice,
  KeyHasher,
  type Referrers,
} from '#cluster';
import {
  createMetrics,
  defaultsOf,
  Failure,
  type Random,
  seededRandom,
  silentLogger,
  systemClock,
} from '#common';
import { createMemoryDevice, type MemoryDevice } from '#storage-node';
import type { BlobKey, DeviceService } from '#wire';
import {
  createReplicator,
  memoryCursors,
  type Replicator,
  type ReplicatorSettings,
  replicatorSettings,
} from '../index.ts';

export const salt = Buffer.from('0123456789abcdef0123456789abcdef');

export interface WorldRing {
  readonly partitionCount: number;
  partitionOf(hash: number): number;
  primaries(partition: number): { readonly id: number }[];
  handoffs(partition: number): Iterable<{ readonly device: { readonly id: number } }>;
  /** Each a zone of its own, for fragments. */
  readonly devices?: readonly (FragmentDevice | undefined)[];
}

export class World {
  readonly random: Random;
  readonly memories: MemoryDevice[];
  readonly away = new Set<number>();
  /** Chance that a call to a device is lost. */
  loss = 0;
  readonly calls = new Map<string, number>();
  readonly hasher = new KeyHasher(salt);
  readonly devices: ReadonlyMap<number, DeviceService>;
  ring: WorldRing;
  private readonly replicas: number;
  private coordinators = 0;

  constructor(
    options: {
      seed?: number;
      devices?: number;
      replicas?: number;
      power?: number;
      ring?: WorldRing;
    } = {},
  ) {
    const { seed = 1, devices = 4, replicas = 3, power = 4 } = options;
    this.random = seededRandom(seed);
    this.replicas = replicas;
    this.memories = Array.from({ length: devices }, () => createMemoryDevice());
    this.devices = new Map(this.memories.map((_, device) => [device, this.filtered(device)]));
    const order = (partition: number) =>
      this.memories.map((_, at) => ({ id: (partition + at) % devices }));
    this.ring = options.ring ?? {
      devices: this.memories.map((_, id) => ({
        ...{ id, region: 1, zone: id, ip: '127.0.0.1', port: 1, weight: 1 },
      })),
      partitionCount: 2 ** power,
      partitionOf: (hash) => (power === 0 ? 0 : hash >>> (32 - power)),
      primaries: (partition) => order(partition).slice(0, this.replicas),
      handoffs: (partition) =>
        order(partition)
          .slice(this.replicas)
          .map((device) => ({ device })),
    };
  }

  private filtered(device: number): DeviceService {
    return new Proxy({} as DeviceService, {
      get:
        (_, method: string) =>
        async (...given: [{ readonly what?: string }, ...unknown[]]) => {
          const name = method === 'survey' ? `survey-${given[0].what}` : method;
          this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
          if (this.away.has(device) || this.random.unit() < this.loss)
            throw new Failure('unreachable', 'connection-lost', 'The call was lost');
          // The memory may have been replaced, so it is looked up with each call.
          const memory = this.memory(device);
          return Reflect.apply(Reflect.get(memory, method), memory, given);
        },
    });
  }

  memory(device: number): MemoryDevice {
    const memory = this.memories[device];
    if (memory === undefined) throw new RangeError(`no device ${device}`);
    return memory;
  }

  /** An empty disk in the place of this one. */
  replace(device: number): void {
    this.memories[device] = createMemoryDevice({ refilling: true });
  }

  cluster(): Cluster {
    this.coordinators += 1;
    return createCluster({
      ring: this.ring,
      devices: this.devices,
      salt,
      coordinator: this.coordinators,
      clock: systemClock,
      random: this.random,
      settings: { ...defaultsOf(clusterSettings), asideMs: 10, asideMsMax: 10 },
      log: silentLogger,
      metrics: createMetrics(),
    });
  }

  replicator(
    settings: Partial<ReplicatorSettings> = {},
    referrers?: Referrers,
    stillNeeded: (blobId: string) => Promise<boolean> = async () => false,
    renew?: Cluster['renew'],
  ): Replicator {
    const quick = { enabled: false, settleMs: 0, passEveryMs: 10, restRatio: 0, scrubRestRatio: 0 };
    return createReplicator({
      ring: this.ring,
      devices: this.devices,
      cursors: memoryCursors(),
      hasFragments: true,
      clock: systemClock,
      settings: { ...defaultsOf(replicatorSettings), ...quick, ...settings },
      log: silentLogger,
      metrics: createMetrics(),
      stillNeeded,
      ...(renew === undefined ? {} : { renew }),
      ...(referrers === undefined ? {} : { referrers }),
    });
  }

  blobKey(id: string): BlobKey {
    return { id, hash: this.hasher.ofBlob(id) };
  }

  primariesOf(hash: number): number[] {
    return this.ring.primaries(this.ring.partitionOf(hash)).map(({ id }) => id);
  }

  /** Ring partitions of which others than their owners hold something. */
  async strangers(): Promise<number[]> {
    const digests = await this.digests();
    return digests.flatMap((pieces, at) => {
      const owners = this.ring.primaries(at).map(({ id }) => id);
      const others = pieces.filter((_, device) => !owners.includes(device));
      return others.every((piece) => /^0*$/.test(piece)) ? [] : [at];
    });
  }

  /** Ring partitions of which owners do not hold the same. */
  async differing(): Promise<number[]> {
    const digests = await this.digests();
    return digests.flatMap((pieces, at) => {
      const held = this.ring.primaries(at).map(({ id }) => pieces[id]);
      return new Set(held).size > 1 ? [at] : [];
    });
  }

  /** By partition, then by device. */
  private async digests(): Promise<string[][]> {
    const { partitionCount } = this.ring;
    const power = Math.log2(partitionCount);
    const ask = { what: 'digests', power, first: 0, count: partitionCount } as const;
    const all = await Promise.all(
      this.memories.map(async (memory) => (await memory.survey(ask)).digests),
    );
    return Array.from({ length: partitionCount }, (_, at) =>
      all.map((digests) => digests.subarray(at * 16, (at + 1) * 16).toString('hex')),
    );
  }
}
