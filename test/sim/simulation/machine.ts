/** A machine with one device: production code of the storage node on a disk that forgets what was not synced. */
import {
  createMetrics,
  defaultsOf,
  isFailure,
  type Random,
  silentLogger,
  type VirtualClock,
} from '#common';
import { type DeviceStore, openDevice, storageNodeSettings } from '#storage-node';
import type { DeviceService } from '#wire';
import { MemoryIndex } from '../../../storage-node/index/memory-index.ts';
import { HostClock } from './host-clock.ts';
import type { Callee } from './network.ts';
import { SlowDisk } from './slow-disk.ts';

const folder = '/device';
/** Small files, so that a few writes reach every path. */
const settings = {
  ...defaultsOf(storageNodeSettings),
  logFileBytes: 64 * 1024,
  logAheadBytes: 4096,
  groupBytesMax: 32 * 1024,
  ownFileBytesMin: 8 * 1024,
  checkpointBytes: 32 * 1024,
  reserveBytes: 16 * 1024,
  upkeepIdleMs: 300_000,
};

export class Machine implements Callee {
  readonly name: string;
  readonly zone: number;
  readonly skew = { us: 0 };
  disk: SlowDisk;
  store: DeviceStore | undefined;
  private clock: HostClock;
  private readonly time: VirtualClock;
  private readonly random: Random;
  private isReplaced = false;
  private died = Promise.withResolvers<void>();
  private index = new MemoryIndex();

  constructor(parts: {
    readonly name: string;
    readonly zone: number;
    readonly time: VirtualClock;
    readonly random: Random;
  }) {
    this.name = parts.name;
    this.zone = parts.zone;
    this.time = parts.time;
    this.random = parts.random;
    this.clock = new HostClock(this.time, this.skew);
    this.disk = new SlowDisk(this.clock);
  }

  get device(): DeviceService | undefined {
    return this.store;
  }

  /** May be cut short by the next loss of power. */
  async start(): Promise<void> {
    if (this.store === undefined) await Promise.race([this.open(), this.died.promise]);
  }

  private async open(): Promise<void> {
    const { clock, disk } = this;
    try {
      await disk.makeDirectory(folder);
      const store = await openDevice({
        ...{ folder, settings, disk, clock, random: this.random },
        log: silentLogger,
        metrics: createMetrics(),
        replaced: this.isReplaced,
        index: this.index,
      });
      if (clock.isAlive) this.store = store;
    } catch (error) {
      if (clock.isAlive || !isFailure(error)) throw error;
    }
  }

  powerOff(): void {
    this.clock.isAlive = false;
    this.died.resolve();
    this.died = Promise.withResolvers<void>();
    const left = this.disk.powerOff(this.random);
    this.clock = new HostClock(this.time, this.skew);
    this.disk = new SlowDisk(this.clock, left);
    this.store = undefined;
    // Every second life finds no index and makes it anew from the log.
    this.index = this.random.below(2) === 0 ? new MemoryIndex() : this.index.crash(this.random);
  }

  async restart(): Promise<void> {
    const { store } = this;
    this.store = undefined;
    await Promise.race([store?.close(), this.died.promise]);
    await this.start();
  }

  /** It must be off. An empty disk stands where this one was. */
  replaceDisk(): void {
    this.disk = new SlowDisk(this.clock);
    this.index = new MemoryIndex();
    this.isReplaced = true;
  }

  rot(): Promise<string | undefined> {
    return this.disk.rot([`${folder}/log`, `${folder}/blobs`], this.random);
  }
}
