/** Memory devices behind faults, on virtual time, with any number of coordinators over them: everything follows from a seed. */
import {
  type Clock,
  createMetrics,
  defaultsOf,
  Failure,
  type Random,
  seededRandom,
  silentLogger,
  VirtualClock,
} from '#common';
import { createMemoryDevice, type MemoryDevice } from '#storage-node';
import { type Cluster, createCluster } from '../cluster.ts';
import { fixedPlacement } from '../placement.ts';
import { type ClusterSettings, clusterSettings } from '../settings.ts';
import { FilteredDevice } from './filtered-device.ts';

export interface Faults {
  /** Each call takes up to so long. */
  delayMsMax: number;
  /** Chance that a call is lost on its way there. */
  loss: number;
  /** Chance that a call is done and its answer lost. */
  answerLoss: number;
  /** Nothing answers any more. */
  hanging: boolean;
  /** Everything fails at once. */
  down: boolean;
}

export interface WorldDevice {
  readonly memory: MemoryDevice;
  readonly service: FilteredDevice;
  readonly faults: Faults;
  /** Calls by method, for tests about cost. */
  readonly calls: Map<string, number>;
}

export interface WorldOptions {
  readonly seed?: number;
  readonly devices?: number;
  readonly replicas?: number;
  /** Erasure-coded blobs go in so many fragments to the first devices. */
  readonly fragments?: number;
  readonly settings?: Partial<ClusterSettings>;
}

export const salt = Buffer.from('0123456789abcdef0123456789abcdef');

export class World {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly devices: readonly WorldDevice[];
  private readonly options: WorldOptions;
  private coordinators = 0;

  constructor(options: WorldOptions = {}) {
    this.options = options;
    this.random = seededRandom(options.seed ?? 1);
    this.devices = Array.from({ length: options.devices ?? 3 }, () => this.makeDevice());
  }

  device(index: number): WorldDevice {
    const device = this.devices[index];
    if (device === undefined) throw new RangeError(`no device ${index}`);
    return device;
  }

  /** Another process's view of the same devices; its wall clock may be off. */
  cluster(skewUs = 0): Cluster {
    const all = this.devices.map((_, index) => index);
    const { replicas = 3, fragments } = this.options;
    this.coordinators += 1;
    return createCluster({
      ring: fixedPlacement(all.slice(0, replicas), all.slice(replicas)),
      ...(fragments === undefined
        ? {}
        : {
            placeFragments: (width: number) =>
              fixedPlacement(all.slice(0, width), all.slice(width)),
          }),
      devices: new Map(this.devices.map(({ service }, index) => [index, service])),
      salt,
      coordinator: this.coordinators,
      clock: skewed(this.clock, skewUs),
      random: this.random,
      settings: { ...defaultsOf(clusterSettings), ...this.options.settings },
      log: silentLogger,
      metrics: createMetrics(),
    });
  }

  /** Lets virtual time run until the work is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const watched = work.finally(() => {
      done = true;
    });
    watched.catch(() => undefined);
    while (!done) {
      for (let turn = 0; turn < 3 && !done; turn++)
        await new Promise<void>((resolve) => setImmediate(resolve));
      if (!done) this.clock.step();
    }
    return watched;
  }

  private makeDevice(): WorldDevice {
    const memory = createMemoryDevice();
    const calls = new Map<string, number>();
    const faults = { delayMsMax: 0, loss: 0, answerLoss: 0, hanging: false, down: false };
    const service = new FilteredDevice(memory, async (method, run) => {
      calls.set(method, (calls.get(method) ?? 0) + 1);
      if (faults.hanging) return new Promise(() => undefined);
      if (faults.down || this.random.unit() < faults.loss) throw lost();
      await this.pause(faults);
      const answer = await run();
      if (this.random.unit() < faults.answerLoss) throw lost();
      await this.pause(faults);
      return answer;
    });
    return { memory, service, faults, calls };
  }

  private async pause(faults: Faults): Promise<void> {
    if (faults.delayMsMax > 0) await this.clock.sleep(this.random.unit() * faults.delayMsMax);
  }
}

function lost(): Failure {
  return new Failure('unreachable', 'connection-lost', 'The call was lost');
}

function skewed(clock: Clock, skewUs: number): Clock {
  return {
    nowUs: () => clock.nowUs() + skewUs,
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, run) => clock.after(delayMs, run),
    sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
  };
}

/** What a promise came to, for tests of failures. */
export async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  return undefined;
}
