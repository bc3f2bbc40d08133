/** A thousand random calls, sixteen at a time, over volumes that come and go: the failures are those that were promised, and nothing stays behind. */
import { describe, expect, it } from 'vitest';
import {
  createMetrics,
  Failure,
  isFailure,
  MemoryDisk,
  type Random,
  randomUuid,
  seededRandom,
  silentLogger,
  systemClock,
} from '#common';
import { MemoryStore } from '../testing/memory-store.ts';
import { smallSettings } from '../testing/world.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const callsMax = 1000;
const atOnce = 16;
const sizeBytes = 1024 * 1024;

/** What a caller who lost a race may hear. */
const expected = [
  'volume-missing',
  'volume-not-ready',
  'volume-in-use',
  'volume-closed',
  'snapshot-missing',
  'snapshot-in-use',
  'fenced',
];

class Storm {
  private readonly volumes: VolumesOfGateway;
  private readonly random: Random;
  private readonly ids: string[] = [];
  private readonly snapshots: { readonly volume: string; readonly snapshot: string }[] = [];

  constructor(volumes: VolumesOfGateway, random: Random) {
    this.volumes = volumes;
    this.random = random;
  }

  async call(): Promise<void> {
    try {
      await this.something();
    } catch (error) {
      if (!(error instanceof Failure) || !expected.includes(error.code)) throw error;
    }
  }

  private async something(): Promise<void> {
    const { volumes, random, ids, snapshots } = this;
    const volume = ids[random.below(Math.max(1, ids.length))];
    const point = snapshots[random.below(Math.max(1, snapshots.length))];
    const kind = random.below(9);
    if (volume === undefined || kind === 0) return await this.make({ sizeBytes });
    if (kind === 1) return await this.make({ from: { volume } });
    if (kind === 2 && point !== undefined) return await this.make({ from: point });
    if (kind === 3) {
      const { id } = await volumes.snapshot(volume, {});
      snapshots.push({ volume, snapshot: id });
    } else if (kind === 4 && point !== undefined) {
      snapshots.splice(snapshots.indexOf(point), 1);
      await volumes.deleteSnapshot(point.volume, point.snapshot);
    } else if (kind === 5) await this.write(volume);
    else if (kind === 6) await volumes.attach({ volume, id: 'a' });
    else if (kind === 7) await volumes.detach(volume, 'a', { force: random.below(3) === 0 });
    else {
      await volumes.delete(volume, { cascade: random.below(2) === 0 });
      ids.splice(ids.indexOf(volume), 1);
    }
  }

  private async make(wanted: object): Promise<void> {
    const id = randomUuid(this.random);
    await this.volumes.create({ id, name: 'v', project: 'p', ...wanted });
    this.ids.push(id);
  }

  private async write(id: string): Promise<void> {
    const { volume, release } = await this.volumes.open(id);
    try {
      const data = this.random.bytes(4096);
      await volume.write(this.random.below(256) * 4096, data, 0, data.length);
      await volume.flush();
    } finally {
      release();
    }
  }
}

async function deleteAll(volumes: VolumesOfGateway): Promise<void> {
  const { entries } = await volumes.list('p');
  for (const { id } of entries) {
    try {
      await volumes.delete(id, { cascade: true, force: true });
    } catch (error) {
      if (!isFailure(error, 'missing')) throw error;
    }
  }
}

describe('a storm of calls', () => {
  it.each(Array.from({ length: 25 }, (_, i) => i + 1))(
    'leaves nothing behind (seed %i)',
    async (seed) => {
      const store = new MemoryStore();
      const random = seededRandom(seed);
      const volumes = await createVolumes({
        tables: store.tables,
        blobs: store.blobs,
        disk: new MemoryDisk(),
        folder: '/log',
        clock: systemClock,
        random,
        settings: { ...smallSettings, segmentBuffersMax: 64 },
        log: silentLogger,
        metrics: createMetrics(),
        gateway: 'gateway-1',
      });
      const storm = new Storm(volumes, random);
      let calls = 0;
      const worker = async () => {
        while (calls++ < callsMax) await storm.call();
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
      await deleteAll(volumes);
      expect((await volumes.list('p')).entries).toEqual([]);
      expect(store.contents.size).toBe(0);
      expect([...store.rows.values()].map(({ ref }) => ref)).toEqual([]);
      await volumes.close();
    },
  );
});
