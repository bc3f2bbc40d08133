import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createMetrics,
  Failure,
  seededRandom,
  silentLogger,
  systemDisk,
  VirtualClock,
} from '#common';
import { MemoryStore } from '../testing/memory-store.ts';
import { smallSettings } from '../testing/world.ts';
import { createVolumes, type Ended, type VolumesOfGateway } from './volumes.ts';

const mib = 1024 * 1024;

describe('the volumes service', () => {
  let folder: string;
  let store: MemoryStore;
  let volumes: VolumesOfGateway;
  const clock = new VirtualClock();

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pileus-volumes-'));
    store = new MemoryStore();
    volumes = await createVolumes({
      tables: store.tables,
      blobs: store.blobs,
      disk: systemDisk,
      folder: join(folder, 'log'),
      clock,
      random: seededRandom(11),
      settings: smallSettings,
      log: silentLogger,
      metrics: createMetrics(),
      gateway: 'gateway-1',
    });
  });
  afterEach(async () => {
    await volumes.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function content(id: string, length: number): Promise<Buffer> {
    const { volume, release } = await volumes.open(id);
    const all = Buffer.alloc(length);
    await volume.read(0, length, all, 0);
    release();
    return all;
  }

  it('makes, finds, lists and deletes, and leaves nothing behind', async () => {
    const made = await volumes.create({ name: 'one', project: 'p', sizeBytes: mib });
    await volumes.create({ name: 'two', project: 'p', sizeBytes: 1000 });
    await volumes.create({ name: 'two', project: 'q', sizeBytes: mib });
    expect((await volumes.find('p', 'two'))?.sizeBytes).toBe(1024);
    expect((await volumes.find('p', made.id))?.name).toBe('one');
    expect(await volumes.find('q', made.id)).toBeUndefined();
    expect((await volumes.list('p')).entries.map((entry) => entry.name).sort()).toEqual([
      'one',
      'two',
    ]);
    await volumes.create({ name: 'two', project: 'p', sizeBytes: mib });
    await expect(volumes.find('p', 'two')).rejects.toThrow('Several volumes');

    const { volume, release } = await volumes.open(made.id);
    for (let at = 0; at < 40; at++)
      await volume.write((at % 16) * 65_536, seededRandom(at).bytes(16_384), 0, 16_384);
    await expect(volumes.delete(made.id)).rejects.toThrow('in use');
    release();
    expect(store.contents.size).toBeGreaterThan(0);
    await volumes.delete(made.id);
    expect(store.contents.size).toBe(0);
    await expect(volumes.get(made.id)).rejects.toThrow('no such volume');
  });

  it('may be made anew under the id of one that was written and deleted', async () => {
    const id = '11111111-2222-4333-8444-555555555555';
    for (let round = 0; round < 3; round++) {
      await volumes.create({ id, name: 'one', project: 'p', sizeBytes: mib });
      const { volume, release } = await volumes.open(id);
      await volume.write(0, seededRandom(round).bytes(4096), 0, 4096);
      await volume.flush();
      release();
      expect((await content(id, 4096)).equals(seededRandom(round).bytes(4096))).toBe(true);
      await volumes.delete(id);
      expect(store.contents.size).toBe(0);
    }
    // Not opened between the two either.
    await volumes.create({ id, name: 'one', project: 'p', sizeBytes: mib });
    await volumes.delete(id);
  });

  it('finishes a deletion that was cut off anywhere', async () => {
    for (let cut = 1; cut < 60; cut += 4) {
      const made = await volumes.create({ name: `v${cut}`, project: 'p', sizeBytes: mib });
      const { volume, release } = await volumes.open(made.id);
      for (let at = 0; at < 60; at++)
        await volume.write((at % 16) * 65_536, seededRandom(at).bytes(16_384), 0, 16_384);
      release();
      let calls = 0;
      await clock.advance(smallSettings.idleCloseMs + 1000);
      store.hook = async () => {
        if (++calls === cut) throw new Error('cut');
      };
      await volumes.delete(made.id).catch((error: Error) => expect(error.message).toBe('cut'));
      store.hook = () => Promise.resolve();
      await volumes
        .delete(made.id)
        .catch((error: Error) => expect(error.message).toMatch('no such'));
      expect(store.contents.size, `cut at ${cut}`).toBe(0);
    }
  });

  it('becomes what a raw or qcow2 file holds, and stores no zeros', async () => {
    const image = Buffer.alloc(3 * mib + 700);
    seededRandom(1).bytes(300_000).copy(image, 100_000);
    seededRandom(2)
      .bytes(700)
      .copy(image, 3 * mib);
    const raw = join(folder, 'image.raw');
    writeFileSync(raw, image);
    const head = await volumes.create({ name: 'r', project: 'p', from: { file: raw } });
    expect(head).toMatchObject({ state: 'ready', sizeBytes: 3 * mib + 1024 });
    expect((await content(head.id, 3 * mib + 512)).equals(image.subarray(0, 3 * mib + 512))).toBe(
      true,
    );
    const { volume, release } = await volumes.open(head.id);
    expect(volume.stats().liveBytes).toBeLessThan(310_000);
    release();

    const qcow = join(folder, 'image.qcow2');
    execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', '-c', raw, qcow]);
    const made = await volumes.create({
      name: 'q',
      project: 'p',
      sizeBytes: 8 * mib,
      from: { file: qcow },
    });
    const seen = await content(made.id, 8 * mib);
    expect(seen.subarray(0, image.length).equals(image)).toBe(true);
    expect(seen.subarray(image.length).every((byte) => byte === 0)).toBe(true);
  });

  it('refuses images that lead elsewhere, and undoes what it began', async () => {
    const base = join(folder, 'base.raw');
    writeFileSync(base, Buffer.alloc(mib, 7));
    const backed = join(folder, 'backed.qcow2');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', backed]);
    const split = join(folder, 'split.qcow2');
    const dataFile = join(folder, 'd');
    execFileSync('qemu-img', [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-o',
      `data_file=${dataFile}`,
      split,
      '1M',
    ]);
    const vmdk = join(folder, 'disk.vmdk');
    execFileSync('qemu-img', ['create', '-q', '-f', 'vmdk', vmdk, '1M']);
    for (const file of [backed, split, vmdk])
      await expect(volumes.create({ name: 'x', project: 'p', from: { file } })).rejects.toThrow(
        'cannot become',
      );
    const small = { name: 'x', project: 'p', sizeBytes: 512, from: { file: base } };
    await expect(volumes.create(small)).rejects.toThrow('larger');
    const failing = (async function* () {
      yield Buffer.alloc(100_000, 1);
      throw new Error('the sender is gone');
    })();
    await expect(
      volumes.create({ name: 'x', project: 'p', sizeBytes: mib, from: { stream: failing } }),
    ).rejects.toThrow('sender');
    expect((await volumes.list('p')).entries).toEqual([]);
    expect(store.contents.size).toBe(0);
  });

  it('a handing over that was settled without anybody hearing of it cuts who was in, when asked again', async () => {
    const { id } = await volumes.create({ name: 'moved', project: 'p', sizeBytes: mib });
    await volumes.attach({ volume: id, id: 'm' });
    const { exportName } = await volumes.offerAttachment(id, 'm');
    const cut: Ended[] = [];
    volumes.onDetach((_volume, ended) => cut.push(ended));
    let updates = 0;
    store.hook = async (operation) => {
      // The second time is after it was done.
      if (operation === 'update' && ++updates === 2)
        throw new Failure('unreachable', 'no-quorum', 'Nobody says whether it is written');
    };
    await expect(volumes.settleAttachment(id, 'm', 'next')).rejects.toThrow('Nobody says');
    expect(cut).toEqual([]);
    await volumes.settleAttachment(id, 'm', 'next');
    const butNonce = (await volumes.attachments.authenticate(exportName))?.nonce;
    expect(butNonce).toBeDefined();
    expect(cut).toEqual([{ attachment: 'm', butNonce }]);
  });
});
