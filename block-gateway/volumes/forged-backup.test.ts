/** Backups lie where their owner may change them: what is found there is believed no further than it may be. */
import { Buffer } from 'node:buffer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics, MemoryDisk, seededRandom, silentLogger, VirtualClock } from '#common';
import { MemoryBackups } from '../testing/memory-backups.ts';
import { MemoryStore } from '../testing/memory-store.ts';
import { smallSettings } from '../testing/world.ts';
import { dataEntry, EntryList, timeEntry, zeroEntry } from '../volume/entries.ts';
import { encodeBackupObject, manifestName, objectName } from './backup-format.ts';
import type { BackupRecord } from './backup-types.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const sizeBytes = 1024 * 1024;

/** Keys that wrap by saying whose they are: what another key has wrapped does not open. */
const keys = {
  wrap: async (keyId: string, dataKey: Buffer) => `${keyId}:${dataKey.toString('hex')}`,
  unwrap: async (keyId: string, wrapped: string) => {
    const [owner, hex = ''] = wrapped.split(':');
    if (owner !== keyId) throw new Error('another key');
    return Buffer.from(hex, 'hex');
  },
};

describe('a forged backup', () => {
  let volumes: VolumesOfGateway;
  let store: MemoryBackups;
  beforeEach(async () => {
    const kept = new MemoryStore();
    store = new MemoryBackups();
    volumes = await createVolumes({
      ...{ tables: kept.tables, blobs: kept.blobs, keys },
      ...{ disk: new MemoryDisk(), folder: '/log', clock: new VirtualClock() },
      ...{ random: seededRandom(1), settings: smallSettings, log: silentLogger },
      ...{ metrics: createMetrics(), gateway: 'gateway-1' },
    });
  });
  afterEach(() => volumes.close());

  async function backUp(keyId?: string): Promise<BackupRecord> {
    const { id } = await volumes.create({
      ...{ name: 'v', project: 'p', sizeBytes },
      ...(keyId === undefined ? {} : { encryption: { keyId, cipher: 'aes-256-xts' } }),
    });
    const { volume, release } = await volumes.open(id);
    await volume.write(0, Buffer.alloc(4096, 7), 0, 4096);
    release();
    await volumes.snapshot(id, { id: 's' });
    return await volumes.backup({ id: 'b', volume: id, snapshot: 's', store, prefix: 'v/b' });
  }

  const restore = (record: BackupRecord, keyId?: string | null) =>
    volumes.restore({
      ...{ record, store, name: 'r', project: 'q' },
      ...(keyId === undefined ? {} : { keyId }),
    });

  it('does not open what another project’s key has sealed', async () => {
    const sealed = await backUp('key-of-p');
    for (const mine of ['key-of-q', null])
      await expect(restore(sealed, mine)).rejects.toThrow('sealed with another key');
    expect((await volumes.list('q')).entries).toEqual([]);
    expect((await restore(sealed, 'key-of-p')).sizeBytes).toBe(sizeBytes);
    expect((await restore(sealed)).sizeBytes).toBe(sizeBytes);
  });

  it('does not turn an encrypted volume into one that is not', async () => {
    await expect(restore(await backUp(), 'key-of-q')).rejects.toThrow('sealed with another key');
  });

  it('is refused when it names ranges that its volume lacks, or things that are no content', async () => {
    const record = await backUp();
    const sectors = sizeBytes / 512;
    const forged = [
      [sectors, 8, dataEntry],
      [sectors - 4, 8, dataEntry],
      [2 ** 52, 8, zeroEntry],
      [0, 2 ** 32 - 1, zeroEntry],
      [0, 8, timeEntry],
    ] as const;
    for (const [start, count, kind] of forged) {
      const entries = new EntryList();
      entries.add(start, count, kind);
      const data = Buffer.alloc(kind === dataEntry ? count * 512 : 0);
      const object = { volume: record.volume, number: 1, entries, data };
      store.objects.set(objectName('v/b', 1), Buffer.concat(encodeBackupObject(object)));
      await expect(restore(record, null)).rejects.toThrow('a range that its volume lacks');
    }
    const manifest = JSON.parse(String(store.objects.get(manifestName('v/b'))));
    const endless = { ...manifest, objects: Number.MAX_SAFE_INTEGER };
    const entries = new EntryList();
    entries.add(0, 8, zeroEntry);
    const object = { volume: record.volume, number: 1, entries, data: Buffer.alloc(0) };
    store.objects.set(objectName('v/b', 1), Buffer.concat(encodeBackupObject(object)));
    store.objects.set(manifestName('v/b'), Buffer.from(JSON.stringify(endless)));
    await expect(restore(record, null)).rejects.toThrow();
    expect((await volumes.list('q')).entries).toEqual([]);
  });
});
