/** A hundred incremental backups of a changing volume, while reclaim moves its data about; restored elsewhere, from any of them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createMetrics,
  MemoryDisk,
  type Random,
  seededRandom,
  silentLogger,
  VirtualClock,
} from '#common';
import { MemoryBackups } from '../testing/memory-backups.ts';
import { MemoryStore } from '../testing/memory-store.ts';
import { smallSettings } from '../testing/world.ts';
import type { BackupRecord } from './backup-types.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const mib = 1024 * 1024;
const blockBytes = 4096;
const sizeBytes = 4 * mib;

describe('backups', () => {
  const clock = new VirtualClock();
  let volumes: VolumesOfGateway;
  let elsewhere: VolumesOfGateway;
  const gateway = (store = new MemoryStore()) =>
    createVolumes({
      tables: store.tables,
      blobs: store.blobs,
      disk: new MemoryDisk(),
      folder: '/log',
      clock,
      random: seededRandom(1),
      settings: { ...smallSettings, segmentBytes: 64 * 1024, logFileBytes: 128 * 1024 },
      log: silentLogger,
      metrics: createMetrics(),
      gateway: 'gateway-1',
    });
  beforeEach(async () => {
    volumes = await gateway();
    elsewhere = await gateway();
  });
  afterEach(async () => {
    await volumes.close();
    await elsewhere.close();
  });

  async function contentOf(from: VolumesOfGateway, id: string): Promise<Buffer> {
    const { volume, release } = await from.open(id);
    const all = Buffer.alloc(volume.sizeBytes);
    await volume.read(0, all.length, all, 0);
    release();
    return all;
  }

  /** Returns how many blocks have other content than before. */
  async function changeSome(id: string, content: Buffer, random: Random): Promise<number> {
    const before = Buffer.from(content);
    const { volume, release } = await volumes.open(id);
    for (let at = 0; at < 24; at++) {
      const offset = random.below(sizeBytes / blockBytes) * blockBytes;
      if (random.below(8) === 0) {
        await volume.zero(offset, blockBytes);
        content.fill(0, offset, offset + blockBytes);
        continue;
      }
      const data = random.bytes(blockBytes);
      await volume.write(offset, data, 0, blockBytes);
      data.copy(content, offset);
    }
    release();
    let changed = 0;
    for (let at = 0; at < sizeBytes; at += blockBytes) {
      const now = content.subarray(at, at + blockBytes);
      const zero = now.every((byte) => byte === 0);
      if (!zero && !now.equals(before.subarray(at, at + blockBytes))) changed++;
    }
    return changed;
  }

  it('ship what changed and nothing else, and restore what was', async () => {
    const random = seededRandom(3);
    const store = new MemoryBackups();
    const { id } = await volumes.create({ name: 'v', project: 'p', sizeBytes });
    const content = Buffer.alloc(sizeBytes);
    const { volume, release } = await volumes.open(id);
    for (let at = 0; at < sizeBytes; at += mib) {
      const data = random.bytes(mib);
      await volume.write(at, data, 0, mib);
      data.copy(content, at);
    }
    const backups: { readonly record: BackupRecord; readonly content: Buffer }[] = [];
    let changed = 0;
    let shipped = 0;
    for (let turn = 0; turn < 100; turn++) {
      const blocks = turn === 0 ? 0 : await changeSome(id, content, random);
      if (turn % 3 === 0) await clock.advance(3000);
      await volumes.snapshot(id, { id: `s${turn}` });
      const parent = backups.at(-1)?.record;
      const record = await volumes.backup({
        id: `b${turn}`,
        volume: id,
        snapshot: `s${turn}`,
        store,
        prefix: `v/${turn}`,
        ...(parent === undefined ? {} : { parent }),
      });
      if (turn > 0) {
        changed += blocks * blockBytes;
        shipped += record.shippedBytes;
        await volumes.deleteSnapshot(id, `s${turn - 1}`);
      }
      backups.push({ record, content: Buffer.from(content) });
    }
    const { rewrittenBytes } = volume.stats();
    release();
    expect(rewrittenBytes).toBeGreaterThan(0);
    expect(shipped / changed).toBeLessThan(1.02);
    for (const { record, content: was } of [backups[0], backups[57], backups[99]].flatMap(
      (one) => one ?? [],
    )) {
      const again: BackupRecord = JSON.parse(JSON.stringify(record));
      const restored = await elsewhere.restore({ record: again, store, name: 'r', project: 'p' });
      expect((await contentOf(elsewhere, restored.id)).equals(was), record.id).toBe(true);
    }
    const broken = new MemoryBackups();
    for (const [name, bytes] of store.objects) broken.objects.set(name, Buffer.from(bytes));
    const victim = broken.objects.get('v/0/00000001');
    victim?.writeUInt8((victim.readUInt8(70_000) ^ 1) & 255, 70_000);
    const record = backups[0]?.record;
    if (record === undefined) throw new Error('no backup');
    const name = { name: 'x', project: 'p' };
    await expect(elsewhere.restore({ record, store: broken, ...name })).rejects.toThrow(
      'not valid',
    );
    expect((await elsewhere.list('p')).entries.filter((one) => one.name === 'x')).toEqual([]);
  });
});
