/** Snapshots, clones, instants and reverts against arrays of bytes: random histories over a small family of volumes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createMetrics,
  type Random,
  seededRandom,
  silentLogger,
  systemDisk,
  VirtualClock,
} from '#common';
import { MemoryStore } from '../testing/memory-store.ts';
import { smallSettings } from '../testing/world.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const kib = 1024;
const sizeBytes = 96 * kib;

interface Known {
  readonly id: string;
  content: Buffer;
  readonly retentionS: number;
  readonly snapshots: Map<string, Buffer>;
  /** Contents at instants, oldest first. */
  readonly past: { readonly atMs: number; readonly content: Buffer }[];
}

describe('points of volumes', () => {
  let folder: string;
  let store: MemoryStore;
  let volumes: VolumesOfGateway;
  let clock: VirtualClock;

  const begin = async (life = 0) => {
    volumes = await createVolumes({
      tables: store.tables,
      blobs: store.blobs,
      disk: systemDisk,
      folder: join(folder, `log-${life}`),
      clock,
      random: seededRandom(11 + life),
      settings: { ...smallSettings, instantMs: 1 },
      log: silentLogger,
      metrics: createMetrics(),
      gateway: 'gateway-1',
    });
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pileus-points-'));
    store = new MemoryStore();
    clock = new VirtualClock();
    await begin();
  });
  afterEach(async () => {
    await volumes.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function make(name: string, retentionS: number): Promise<Known> {
    const { id } = await volumes.create({ name, project: 'p', sizeBytes, retentionS });
    return { id, content: Buffer.alloc(sizeBytes), retentionS, snapshots: new Map(), past: [] };
  }

  async function write(known: Known, random: Random): Promise<void> {
    const { volume, release } = await volumes.open(known.id);
    const sectors = 1 + random.below(24);
    const offset = random.below(known.content.length / 512 - sectors) * 512;
    const data = random.bytes(sectors * 512);
    if (random.below(6) === 0) {
      await volume.zero(offset, data.length);
      known.content.fill(0, offset, offset + data.length);
    } else {
      await volume.write(offset, data, 0, data.length);
      data.copy(known.content, offset);
    }
    release();
  }

  async function contentOf(id: string): Promise<Buffer> {
    const { volume, release } = await volumes.open(id);
    const all = Buffer.alloc(volume.sizeBytes, 0xee);
    await volume.read(0, all.length, all, 0);
    release();
    return all;
  }

  async function pointOf(id: string, at: { snapshot: string } | { atMs: number }): Promise<Buffer> {
    const { volume, release } = await volumes.openReadOnly(id, at);
    const all = Buffer.alloc(volume.sizeBytes, 0xee);
    await volume.read(0, all.length, all, 0);
    await release();
    return all;
  }

  async function check(known: Known): Promise<void> {
    expect((await contentOf(known.id)).equals(known.content), `content of ${known.id}`).toBe(true);
    for (const [snapshot, content] of known.snapshots)
      expect((await pointOf(known.id, { snapshot })).equals(content), snapshot).toBe(true);
  }

  function someInstant(known: Known, random: Random) {
    const nowMs = clock.nowUs() / 1000;
    const kept = known.past.filter(({ atMs }) => nowMs - atMs < known.retentionS * 1000);
    return kept[random.below(kept.length)];
  }

  async function clone(of: Known, name: string, random: Random): Promise<Known> {
    const [snapshot] = random.below(2) === 0 ? [...of.snapshots.keys()] : [];
    const instant = random.below(2) === 0 ? someInstant(of, random) : undefined;
    const content =
      (snapshot === undefined ? instant?.content : of.snapshots.get(snapshot)) ?? of.content;
    const when = instant === undefined ? {} : { atMs: instant.atMs };
    const from = { volume: of.id, ...(snapshot === undefined ? when : { snapshot }) };
    const more = random.below(2) * 8 * kib;
    const retentionS = random.below(2) * 10;
    const { id } = await volumes.create({
      name,
      project: 'p',
      from,
      sizeBytes: sizeBytes + 64 * kib + more,
      retentionS,
    });
    const grown = Buffer.alloc(sizeBytes + 64 * kib + more);
    content.copy(grown);
    return { id, content: grown, retentionS, snapshots: new Map(), past: [] };
  }

  async function step(family: Known[], random: Random, turn: number): Promise<void> {
    const known = family[random.below(family.length)];
    if (known === undefined) return;
    const kind = random.below(24);
    if (kind === 0) {
      const { id } = await volumes.snapshot(known.id, { name: `s${turn}` });
      known.snapshots.set(id, Buffer.from(known.content));
    } else if (kind === 1 && family.length < 5 && known.content.length === sizeBytes) {
      family.push(await clone(known, `c${turn}`, random));
    } else if (kind === 2) {
      const [id] = [...known.snapshots.keys()];
      if (id === undefined) return;
      await volumes.deleteSnapshot(known.id, id);
      known.snapshots.delete(id);
    } else if (kind === 3) {
      const ids = [...known.snapshots.keys()];
      const id = ids[random.below(ids.length)];
      const content = id === undefined ? undefined : known.snapshots.get(id);
      if (id === undefined || content === undefined) return;
      await volumes.revert(known.id, { snapshot: id });
      known.content = Buffer.concat([content, Buffer.alloc(known.content.length - content.length)]);
    } else if (kind === 4) {
      const instant = someInstant(known, random);
      if (instant === undefined) return;
      const seen = await pointOf(known.id, { atMs: instant.atMs });
      expect(seen.equals(instant.content), `instant ${instant.atMs} of ${known.id}`).toBe(true);
    } else if (kind === 5) {
      await clock.advance(smallSettings.idleCloseMs + 2000);
    } else if (kind === 6 && family.length > 2 && known.snapshots.size === 0) {
      await volumes.delete(known.id);
      family.splice(family.indexOf(known), 1);
    } else if (kind === 7 && known.retentionS > 0) {
      await clock.advance(5);
      known.past.push({
        atMs: Math.floor(clock.nowUs() / 1000),
        content: Buffer.from(known.content),
      });
      await clock.advance(5);
    } else {
      await write(known, random);
      if (random.below(10) === 0) await clock.advance(300);
    }
  }

  it.each([1, 2, 3, 4])('are what they were, and leave nothing behind (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const family = [await make('first', 3600), await make('second', 0), await make('third', 20)];
    for (let turn = 0; turn < 500; turn++) {
      await step(family, random, turn);
      if (turn % 100 === 99) {
        for (const known of family) await check(known);
        await volumes.close();
        await begin(turn);
      }
    }
    for (const known of family) await check(known);
    // In an order of its own: sources may go before their clones.
    for (const known of family.sort((a, b) => (a.id < b.id ? -1 : 1))) {
      for (const snapshot of known.snapshots.keys())
        await volumes.deleteSnapshot(known.id, snapshot);
      await volumes.delete(known.id);
    }
    expect(store.contents.size).toBe(0);
    expect([...store.rows.values()].map(({ ref }) => ref)).toEqual([]);
  });
});
