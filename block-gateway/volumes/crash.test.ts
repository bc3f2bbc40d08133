/**
 * A family of volumes whose gateway loses its power at random operations of disk and store, again and again, while snapshots, clones and reverts are
 * made: what was answered is there, snapshots are what they were, and no volume is anything but a prefix of its writes.
 */
import { describe, expect, it } from 'vitest';
import { createMetrics, type Random, seededRandom, silentLogger } from '#common';
import { smallSettings, World } from '../testing/world.ts';
import { createVolumes, type VolumesOfGateway } from './volumes.ts';

const sizeBytes = 96 * 1024;

/** A volume as its user knows it: contents in order, and up to which one it is safe. */
interface Known {
  readonly id: string;
  states: Buffer[];
  safe: number;
  readonly snapshots: Map<string, Buffer>;
  /** Under way when the power failed: it may have happened or not. */
  doubtful: Buffer | undefined;
}

async function settle<T>(world: World, work: Promise<T>): Promise<T | undefined> {
  const outcome: { value?: T; error?: unknown; done: boolean } = { done: false };
  work.then(
    (value) => Object.assign(outcome, { value, done: true }),
    (error: unknown) => Object.assign(outcome, { error, done: true }),
  );
  while (!outcome.done && world.after === undefined) await world.clock.advance(50);
  if (world.after !== undefined) return undefined;
  if (outcome.error !== undefined) throw outcome.error;
  return outcome.value;
}

function gatewayOf(world: World, life: number): Promise<VolumesOfGateway> {
  const { disk, store, clock, log } = world;
  return createVolumes({
    tables: store.tables,
    blobs: store.blobs,
    disk,
    folder: '/log',
    clock,
    random: seededRandom(1000 + life),
    settings: { ...smallSettings, instantMs: 1 },
    log: log ?? silentLogger,
    metrics: createMetrics(),
    gateway: 'gateway-1',
  });
}

class Family {
  readonly members: Known[] = [];
  private readonly random: Random;
  private turn = 0;

  constructor(random: Random) {
    this.random = random;
  }

  latest(known: Known): Buffer {
    return known.states.at(-1) ?? Buffer.alloc(sizeBytes);
  }

  add(id: string, content: Buffer): void {
    this.members.push({
      id,
      states: [content],
      safe: 0,
      snapshots: new Map(),
      doubtful: undefined,
    });
  }

  /** False when the power failed. */
  async step(world: World, volumes: VolumesOfGateway): Promise<boolean> {
    const { random } = this;
    const known = this.members[random.below(this.members.length)];
    if (known === undefined) return true;
    const kind = random.below(20);
    this.turn++;
    if (kind < 2) return await this.snapshot(world, volumes, known);
    if (kind === 2 && this.members.length < 4) return await this.clone(world, volumes, known);
    if (kind === 3) return await this.revert(world, volumes, known);
    if (kind < 7) return await this.flush(world, volumes, known);
    return await this.write(world, volumes, known);
  }

  private async write(world: World, volumes: VolumesOfGateway, known: Known): Promise<boolean> {
    const opened = await settle(world, volumes.open(known.id));
    if (opened === undefined) return false;
    const sectors = 1 + this.random.below(20);
    const offset = this.random.below(sizeBytes / 512 - sectors) * 512;
    const data = this.random.bytes(sectors * 512);
    const next = Buffer.from(this.latest(known));
    data.copy(next, offset);
    known.states.push(next);
    const done = await settle(
      world,
      opened.volume.write(offset, data, 0, data.length).then(() => true),
    );
    opened.release();
    return done === true;
  }

  private async flush(world: World, volumes: VolumesOfGateway, known: Known): Promise<boolean> {
    const opened = await settle(world, volumes.open(known.id));
    if (opened === undefined) return false;
    const goal = known.states.length - 1;
    const done = await settle(
      world,
      opened.volume.flush().then(() => true),
    );
    opened.release();
    if (done === true) known.safe = goal;
    return done === true;
  }

  private async snapshot(world: World, volumes: VolumesOfGateway, known: Known): Promise<boolean> {
    const content = this.latest(known);
    const goal = known.states.length - 1;
    const id = `s${this.turn}`;
    const made = await settle(world, volumes.snapshot(known.id, { id }));
    if (made === undefined) return false;
    known.snapshots.set(id, content);
    known.safe = goal;
    return true;
  }

  private async clone(world: World, volumes: VolumesOfGateway, known: Known): Promise<boolean> {
    const content = this.latest(known);
    const from = { volume: known.id };
    const made = await settle(world, volumes.create({ name: `c${this.turn}`, project: 'p', from }));
    if (made === undefined) return false;
    this.add(made.id, content);
    return true;
  }

  private async revert(world: World, volumes: VolumesOfGateway, known: Known): Promise<boolean> {
    const all = [...known.snapshots];
    const [id, content] = all[this.random.below(all.length)] ?? [];
    if (id === undefined || content === undefined) return true;
    known.doubtful = content;
    const done = await settle(world, volumes.revert(known.id, { snapshot: id }));
    if (done === undefined) return false;
    known.doubtful = undefined;
    known.states = [content];
    known.safe = 0;
    return true;
  }

  /** Compares everything with what it may be, and takes what is there for what was. False when the power failed. */
  async check(world: World, volumes: VolumesOfGateway, where: string): Promise<boolean> {
    for (const known of this.members) {
      const opened = await settle(world, volumes.open(known.id));
      if (opened === undefined) return false;
      const content = Buffer.alloc(sizeBytes);
      const read = opened.volume.read(0, sizeBytes, content, 0).then(() => true);
      if ((await settle(world, read)) === undefined) return false;
      opened.release();
      const at = known.states.findLastIndex((state) => state.equals(content));
      const reverted = known.doubtful?.equals(content) === true;
      expect(reverted || at >= known.safe, `${where}: ${known.id} is at ${at}`).toBe(true);
      known.states = [content];
      known.safe = 0;
      known.doubtful = undefined;
      for (const [snapshot, was] of known.snapshots) {
        const point = await settle(world, volumes.openReadOnly(known.id, { snapshot }));
        if (point === undefined) return false;
        const seen = Buffer.alloc(sizeBytes);
        const all = point.volume.read(0, sizeBytes, seen, 0).then(() => true);
        if ((await settle(world, all)) === undefined) return false;
        expect(seen.equals(was), `${where}: ${snapshot}`).toBe(true);
        if (
          (await settle(
            world,
            point.release().then(() => true),
          )) === undefined
        )
          return false;
      }
    }
    return true;
  }
}

async function lives(seed: number, durability: 'local' | 'replicated'): Promise<void> {
  const random = seededRandom(seed);
  const family = new Family(random);
  let world = new World();
  let volumes = await gatewayOf(world, 0);
  const made = await volumes.create({
    name: 'first',
    project: 'p',
    sizeBytes,
    durability,
    retentionS: seed % 2 === 0 ? 0 : 60,
  });
  family.add(made.id, Buffer.alloc(sizeBytes));
  for (let life = 1; life <= 14; life++) {
    world.delays = seededRandom(seed + life);
    world.crashOn(world.events + 20 + random.below(life % 4 === 0 ? 60 : 500), random);
    for (let at = 0; at < 120; at++) if (!(await family.step(world, volumes))) break;
    // Power that did not fail meanwhile fails now.
    const after = world.after ?? { disk: world.disk.crash(random), store: world.store.survivors() };
    for (;;) {
      world = new World(after);
      const opened = await settle(world, gatewayOf(world, life));
      if (opened === undefined) throw new Error('the power failed where it could not');
      volumes = opened;
      break;
    }
    // Half of the lives lose their power again during recovery.
    if (random.below(2) === 0) {
      world.crashOn(1 + random.below(80), random);
      if (!(await family.check(world, volumes, `seed ${seed} life ${life} recovery`))) {
        world = new World(world.after);
        const again = await settle(world, gatewayOf(world, life + 500));
        if (again === undefined) throw new Error('the power failed where it could not');
        volumes = again;
      }
      world.crashAt = Number.POSITIVE_INFINITY;
    }
    expect(await family.check(world, volumes, `seed ${seed} life ${life}`)).toBe(true);
  }
}

describe('a family of volumes after losses of power', () => {
  it.each([6, 16, 26, 115])('is what was answered (seed %i)', async (seed) => {
    await lives(seed, seed % 4 < 2 ? 'local' : 'replicated');
  });
});
