/** A gateway's surroundings in one process and in virtual time, which a test may stop at any disk or store operation. */
import {
  defaultsOf,
  Failure,
  type Logger,
  MemoryDisk,
  type Random,
  silentLogger,
  VirtualClock,
} from '#common';
import { type BlockGatewaySettings, blockGatewaySettings } from '../settings.ts';
import { createEngine, type Engine } from '../volume/engine.ts';
import { encodeHead, headRef } from '../volume/head.ts';
import { MemoryStore } from './memory-store.ts';

/** Small segments and files, so that few writes reach every path. */
export const smallSettings: BlockGatewaySettings = {
  ...defaultsOf(blockGatewaySettings),
  segmentBytes: 32 * 1024,
  logFileBytes: 64 * 1024,
  logFilesMax: 8,
  segmentBuffersMax: 6,
  segmentBuffersKept: 4,
  volumeSegmentsMax: 4,
  cacheBytes: 512 * 1024,
  readAheadBytes: 128 * 1024,
  // What comes by itself has no place in a replayed order of events.
  bootSetBytes: 0,
  checkpointSegments: 5,
  idleSealMs: 1000,
  writeBackMs: 2500,
  reclaimDeadShare: 0.3,
  reclaimRestRatio: 0,
};

export const volumeId = '6f1c2a52-7d0e-4a57-9a3b-0c5d1e2f3a4b';

export class World {
  readonly disk: MemoryDisk;
  readonly store: MemoryStore;
  readonly clock = new VirtualClock();
  readonly settings: BlockGatewaySettings;
  readonly log: Logger;
  events = 0;
  /** The number of the operation at which the power fails. */
  crashAt = Number.POSITIVE_INFINITY;
  private random: Random | undefined;
  /** When there, blobs take their time, each its own, so that they arrive in another order than they were sent. */
  delays: Random | undefined;
  /** What is left after the power failed. */
  after: { readonly disk: MemoryDisk; readonly store: MemoryStore } | undefined;

  constructor(
    options: {
      readonly disk?: MemoryDisk;
      readonly store?: MemoryStore;
      readonly settings?: BlockGatewaySettings;
      readonly log?: Logger;
    } = {},
  ) {
    this.disk = options.disk ?? new MemoryDisk();
    this.store = options.store ?? new MemoryStore();
    this.settings = options.settings ?? smallSettings;
    this.log = options.log ?? silentLogger;
    this.disk.faults.before = () => {
      if (this.tick()) throw new Failure('closed', 'power-lost', 'The power is off');
    };
    this.store.hook = async (operation) => {
      if (operation === 'put-blob' && this.delays !== undefined)
        await this.clock.sleep(this.delays.below(1500));
      if (this.tick()) await new Promise(() => {});
    };
  }

  crashOn(event: number, random: Random): void {
    this.crashAt = event;
    this.random = random;
  }

  engine(gateway = 'gateway-1'): Promise<Engine> {
    const { disk, store, clock, settings, log } = this;
    const { tables, blobs } = store;
    return createEngine({ tables, blobs, disk, folder: '/log', clock, settings, log, gateway });
  }

  async addVolume(sizeBytes: number): Promise<void> {
    const meta = encodeHead({
      id: volumeId,
      name: 'v',
      project: 'p',
      sizeBytes,
      createdUs: 0,
      state: 'ready',
      durability: 'local',
      epoch: 0,
      gateway: '',
      tail: [],
    });
    await this.store.tables.put(headRef(volumeId), { meta, bytes: 0, body: Buffer.alloc(0) });
  }

  /** True when the power is off. */
  private tick(): boolean {
    if (this.after !== undefined) return true;
    if (++this.events < this.crashAt || this.random === undefined) return false;
    this.after = { disk: this.disk.crash(this.random), store: this.store.survivors() };
    return true;
  }
}
