/** A process that serves clients: production code of the cluster client and the replicator, with a clock and a life of its own. */
import {
  type Cluster,
  clusterSettings,
  createCluster,
  type Referrers,
  type RingLike,
} from '#cluster';
import {
  createMetrics,
  defaultsOf,
  isFailure,
  type Random,
  silentLogger,
  type VirtualClock,
} from '#common';
import { createReplicator, type Replicator, replicatorSettings } from '#replicator';
import { HostClock } from './host-clock.ts';
import type { Machine } from './machine.ts';
import type { Caller, Network } from './network.ts';

export const salt = Buffer.alloc(16, 7);
const minuteMs = 60_000;
const refillEveryMs = 5000;

/** The paces of weeks, in hours; the order of the times to one another is that of the defaults. */
export const paces = {
  orphanGraceMs: 120 * minuteMs,
  /** The longest from a blob's beginning to its row. */
  bodyMs: 55 * minuteMs,
  tombstoneAgeMs: 180 * minuteMs,
  tombstoneSettleMs: 10 * minuteMs,
  repairEveryMs: 8 * minuteMs,
  reclaimEveryMs: 20 * minuteMs,
};

export type SimRing = RingLike;

/** Every row names its blobs in its meta. */
const referrers: Referrers = {
  object: (row, found) => {
    for (const [id] of row.meta.toString('latin1').matchAll(/[0-9a-f]{32}/g)) found(id);
  },
};

export interface FrontParts {
  readonly name: string;
  readonly time: VirtualClock;
  readonly random: Random;
  readonly network: Network;
  readonly ring: SimRing;
  readonly machines: ReadonlyMap<number, Machine>;
}

interface Life {
  readonly clock: HostClock;
  readonly cluster: Cluster;
  readonly replicator: Replicator;
  readonly died: Promise<'died'>;
  readonly die: () => void;
  /** The replicator's pass that is under way. */
  turn: Promise<void>;
}

export class Front {
  readonly name: string;
  readonly skew = { us: 0 };
  private readonly parts: FrontParts;
  /** What outlives it: the replicator's cursors. */
  private readonly kept = new Map<string, string | number>();
  private life: Life;

  constructor(parts: FrontParts) {
    this.parts = parts;
    this.name = parts.name;
    this.life = this.begin();
  }

  get cluster(): Cluster {
    return this.life.cluster;
  }

  get replicator(): Replicator {
    return this.life.replicator;
  }

  /** Its clients' promises end with it, without an answer. */
  async ask<T>(run: (cluster: Cluster) => Promise<T>): Promise<T | 'died'> {
    const { died, cluster } = this.life;
    return await Promise.race([run(cluster), died]);
  }

  restart(): void {
    this.life.die();
    this.life = this.begin();
  }

  private begin(): Life {
    const { time, random, network, ring, machines } = this.parts;
    const clock = new HostClock(time, this.skew);
    const caller: Caller = { name: this.name, isAlive: () => clock.isAlive };
    const devices = new Map(
      [...machines].map(([id, machine]) => [id, network.link(caller, machine)]),
    );
    const common = { ring, devices, clock, log: silentLogger };
    const cluster = createCluster({
      ...common,
      ...{ salt, random, coordinator: random.below(2 ** 32) },
      settings: defaultsOf(clusterSettings),
      metrics: createMetrics(),
    });
    const { orphanGraceMs, tombstoneAgeMs, tombstoneSettleMs } = paces;
    const replicator = createReplicator({
      ...common,
      cursors: {
        load: async (name) => this.kept.get(name),
        save: async (name, text) => {
          if (text === undefined) this.kept.delete(name);
          else this.kept.set(name, text);
        },
      },
      settings: {
        ...defaultsOf(replicatorSettings),
        ...{ enabled: false, restRatio: 0, scrubRestRatio: 0, reclaimRestRatio: 0 },
        ...{ orphanGraceMs, tombstoneAgeMs, tombstoneSettleMs },
      },
      metrics: createMetrics(),
      referrers,
      renew: (key, held) => cluster.renew(key, held),
    });
    let die: () => void = () => undefined;
    const died = new Promise<'died'>((resolve) => {
      die = () => {
        clock.isAlive = false;
        resolve('died');
      };
    });
    this.keepWhole(clock, replicator);
    return { clock, cluster, replicator, died, die, turn: Promise.resolve() };
  }

  /** One pass after the other, as its one worker does it. */
  async pass(run: (replicator: Replicator) => Promise<void>): Promise<void> {
    const { life } = this;
    const turn = life.turn.then(() => run(life.replicator));
    life.turn = turn.catch(() => undefined);
    await turn;
  }

  /** The replicator's passes, at the paces of a small cloud. */
  private keepWhole(clock: HostClock, replicator: Replicator): void {
    const { random } = this.parts;
    const every = async (ms: number, run: () => Promise<void>) => {
      for (;;) {
        // A device that is being refilled is come back to at once, as the replicator's own worker does.
        const { refilling } = replicator.status();
        await clock.sleep(refilling.length > 0 ? refillEveryMs : ms * (0.5 + random.unit()));
        try {
          await run();
        } catch (error) {
          if (!isFailure(error)) throw error;
        }
      }
    };
    const endless = [
      every(paces.repairEveryMs, () =>
        this.pass((one) => (random.below(4) === 0 ? one.runOnce() : one.repairOnce())),
      ),
      every(paces.reclaimEveryMs, () => this.pass((one) => one.reclaimOnce())),
    ];
    for (const one of endless) one.catch((error: unknown) => this.parts.network.fail(error));
  }
}
