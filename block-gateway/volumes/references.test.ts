/**
 * What volumes' rows lead to is all that is needed of the store: random histories of volumes, snapshots, clones, instants, reverts and backups,
 * after which everything else is deleted, under a running gateway and after a crash, and every content is still there.
 */
import { describe, expect, it } from 'vitest';
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
import { volumeReferrers } from './references.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const kib = 1024;
const sizeBytes = 128 * kib;
const steps = 60;
const volumesMax = 5;

interface Known {
  readonly id: string;
  content: Buffer;
  readonly snapshots: Map<string, Buffer>;
  past: { readonly atMs: number; readonly content: Buffer } | undefined;
}

/** What a pass of reclaim does without any time of grace: what was there before all rows were read, and nothing led to, goes. */
async function reclaim(store: MemoryStore): Promise<number> {
  const candidates = new Set(store.contents.keys());
  const referrers = volumeReferrers(store);
  for (const { ref, row } of [...store.rows.values()]) {
    const references = referrers[ref.table];
    if (references === undefined) throw new Error(`${ref.table} is not registered`);
    if (references === 'nothing') continue;
    await references({ ...ref, meta: row.meta }, (id) => candidates.delete(id));
  }
  for (const id of candidates) store.contents.delete(id);
  return candidates.size;
}

async function contentOf(volumes: VolumesOfGateway, id: string): Promise<Buffer> {
  const { volume, release } = await volumes.open(id);
  const all = Buffer.alloc(volume.sizeBytes, 0xee);
  await volume.read(0, all.length, all, 0);
  release();
  return all;
}

async function pointOf(
  volumes: VolumesOfGateway,
  id: string,
  at: { snapshot: string } | { atMs: number },
): Promise<Buffer> {
  const { volume, release } = await volumes.openReadOnly(id, at);
  const all = Buffer.alloc(volume.sizeBytes, 0xee);
  await volume.read(0, all.length, all, 0);
  await release();
  return all;
}

class Story {
  readonly store = new MemoryStore();
  readonly disk = new MemoryDisk();
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly known: Known[] = [];
  volumes: VolumesOfGateway | undefined;
  private names = 0;
  private lives = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  gateway(store: MemoryStore, disk: MemoryDisk): Promise<VolumesOfGateway> {
    return createVolumes({
      ...{ tables: store.tables, blobs: store.blobs, disk, folder: '/log', clock: this.clock },
      random: seededRandom(100 + ++this.lives),
      settings: { ...smallSettings, instantMs: 1 },
      log: silentLogger,
      metrics: createMetrics(),
      gateway: 'gateway-1',
    });
  }

  get open(): VolumesOfGateway {
    if (this.volumes === undefined) throw new Error('no gateway');
    return this.volumes;
  }

  private some(): Known | undefined {
    return this.known[this.random.below(this.known.length)];
  }

  async step(): Promise<void> {
    const { random } = this;
    const known = this.some();
    const kind = random.below(12);
    if (known === undefined || (kind === 0 && this.known.length < volumesMax)) await this.make();
    else if (kind === 1) await this.snapshot(known);
    else if (kind === 2 && this.known.length < volumesMax) await this.clone(known);
    else if (kind === 3) await this.revert(known);
    else if (kind === 4) await this.dropSnapshot(known);
    else if (kind === 5 && random.below(2) === 0) await this.drop(known);
    else if (kind === 6) await this.clock.advance(random.below(2000));
    else if (kind === 7) await this.remember(known);
    else for (let turn = 0; turn < 4; turn++) await this.write(known);
  }

  private async remember(known: Known): Promise<void> {
    await this.clock.advance(5);
    known.past = { atMs: this.clock.nowUs() / 1000, content: Buffer.from(known.content) };
    await this.clock.advance(5);
  }

  private async make(): Promise<void> {
    const { random } = this;
    const durability = random.below(2) === 0 ? 'local' : 'replicated';
    const wanted = { name: 'v', project: 'p', sizeBytes, durability, retentionS: 1000 } as const;
    const { id } = await this.open.create(wanted);
    this.known.push({
      id,
      content: Buffer.alloc(sizeBytes),
      snapshots: new Map(),
      past: undefined,
    });
  }

  private async snapshot(of: Known): Promise<void> {
    const id = `s${++this.names}`;
    await this.open.snapshot(of.id, { id });
    of.snapshots.set(id, Buffer.from(of.content));
  }

  private async clone(of: Known): Promise<void> {
    const [snapshot] = [...of.snapshots];
    const { past } = of;
    const from =
      snapshot !== undefined && this.random.below(2) === 0
        ? { volume: of.id, snapshot: snapshot[0] }
        : { volume: of.id, ...(past === undefined ? {} : { atMs: past.atMs }) };
    const content = 'snapshot' in from ? snapshot?.[1] : (past?.content ?? of.content);
    const { id } = await this.open.create({ name: 'c', project: 'p', from, retentionS: 1000 });
    if (content === undefined) throw new Error('no content');
    this.known.push({ id, content: Buffer.from(content), snapshots: new Map(), past: undefined });
  }

  private async revert(known: Known): Promise<void> {
    const [snapshot] = [...known.snapshots];
    if (snapshot === undefined) return;
    await this.open.revert(known.id, { snapshot: snapshot[0] });
    known.content = Buffer.from(snapshot[1]);
  }

  private async dropSnapshot(known: Known): Promise<void> {
    const [snapshot] = [...known.snapshots.keys()];
    if (snapshot === undefined) return;
    await this.open.deleteSnapshot(known.id, snapshot);
    known.snapshots.delete(snapshot);
  }

  private async drop(known: Known): Promise<void> {
    await this.open.delete(known.id, { cascade: true, force: true });
    this.known.splice(this.known.indexOf(known), 1);
  }

  private async write(known: Known): Promise<void> {
    const { random } = this;
    const { volume, release } = await this.open.open(known.id);
    const sectors = 1 + random.below(48);
    const offset = random.below(sizeBytes / 512 - sectors) * 512;
    const data = random.bytes(sectors * 512);
    if (random.below(8) === 0) {
      await volume.zero(offset, data.length);
      known.content.fill(0, offset, offset + data.length);
    } else {
      await volume.write(offset, data, 0, data.length);
      data.copy(known.content, offset);
    }
    release();
  }

  async flushAll(): Promise<void> {
    for (const { id } of this.known) {
      const { volume, release } = await this.open.open(id);
      await volume.flush();
      release();
    }
  }

  async check(volumes: VolumesOfGateway): Promise<void> {
    for (const { id, content, snapshots, past } of this.known) {
      expect((await contentOf(volumes, id)).equals(content), `content of ${id}`).toBe(true);
      for (const [snapshot, was] of snapshots)
        expect((await pointOf(volumes, id, { snapshot })).equals(was), snapshot).toBe(true);
      if (past === undefined) continue;
      const then = await pointOf(volumes, id, { atMs: past.atMs });
      expect(then.equals(past.content), `${id} at ${past.atMs}`).toBe(true);
    }
  }

  /** The power goes, and everything that no row leads to with it. */
  async crashed(): Promise<void> {
    await this.flushAll();
    const store = this.store.survivors();
    const disk = this.disk.crash(seededRandom(this.random.below(1 << 30)));
    await reclaim(store);
    const volumes = await this.gateway(store, disk);
    await this.check(volumes);
    await reclaim(store);
    await this.check(volumes);
    await volumes.close();
  }
}

describe('what volumes refer to', () => {
  it.each(Array.from({ length: 30 }, (_, at) => at + 1))(
    'is all they need (seed %i)',
    async (seed) => {
      const story = new Story(seed);
      story.volumes = await story.gateway(story.store, story.disk);
      for (let step = 1; step <= steps; step++) {
        // A pass reads its rows while everything goes on.
        const pass = step % 3 === 0 ? reclaim(story.store) : undefined;
        await story.step();
        await pass;
        if (step % 20 === 0) await story.check(story.open);
        if (step % 15 === 0) await story.crashed();
        if (step % 25 !== 0) continue;
        await story.open.close();
        await reclaim(story.store);
        story.volumes = await story.gateway(story.store, story.disk);
        await story.check(story.open);
      }
      await story.open.close();
    },
  );

  it('leaves alone what a backup is at, and lets go of everything in the end', async () => {
    const story = new Story(99);
    story.volumes = await story.gateway(story.store, story.disk);
    for (let step = 0; step < 20; step++) await story.step();
    const [first] = story.known;
    if (first === undefined) throw new Error('no volume');
    await story.open.snapshot(first.id, { id: 'kept' });
    const was = Buffer.from(first.content);
    const backups = new MemoryBackups();
    const request = { id: 'b', volume: first.id, snapshot: 'kept', store: backups, prefix: 'x' };
    const [record] = await Promise.all([story.open.backup(request), reclaim(story.store)]);
    const name = { name: 'r', project: 'p' };
    const restored = await story.open.restore({ record, store: backups, ...name });
    await reclaim(story.store);
    expect((await contentOf(story.open, restored.id)).equals(was)).toBe(true);
    story.store.contents.set('ab'.repeat(16), Buffer.from('nobody knows it'));
    expect(await reclaim(story.store)).toBe(1);
    for (const { id } of (await story.open.list('p')).entries)
      await story.open.delete(id, { cascade: true, force: true });
    await reclaim(story.store);
    expect(story.store.contents.size).toBe(0);
    await story.open.close();
  });

  it('says nothing, and so stops all freeing, when a checkpoint cannot be read', async () => {
    const story = new Story(7);
    story.volumes = await story.gateway(story.store, story.disk);
    for (let step = 0; step < 30; step++) await story.step();
    await story.open.close();
    const before = new Set(story.store.contents.keys());
    const names = [...story.store.contents].filter(
      ([, bytes]) => bytes.readUInt32LE(0) === 0x4b435650,
    );
    expect(names.length).toBeGreaterThan(0);
    for (const [id, bytes] of names) story.store.contents.set(id, bytes.subarray(0, 70));
    await expect(reclaim(story.store)).rejects.toThrow('checkpoint');
    expect(new Set(story.store.contents.keys())).toEqual(before);
  });
});
