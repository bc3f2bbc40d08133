/**
 * The promise of the engine, tried at every disk and store operation of random histories: after the power fails there, the next opening
 * finds the content of some prefix of the writes, with everything in it that a FLUSH had answered for.
 */

import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '#common';
import { smallSettings, volumeId, World } from '../testing/world.ts';
import type { Engine } from './engine.ts';
import type { Volume } from './volume.ts';

const sizeBytes = 160 * 1024;

/** Writes of any sectors anywhere, flushed often; or whole blocks written again and again, and memory for more than all of them. */
type Habit = 'scattered' | 'repeated';

const roomy = { ...smallSettings, segmentBuffersMax: 16, volumeSegmentsMax: 12 };

/** What the volume looked like after each write, and up to which of them it was flushed. */
class History {
  readonly states: Buffer[] = [Buffer.alloc(sizeBytes)];
  flushed = 0;

  get latest(): Buffer {
    return this.states.at(-1) ?? Buffer.alloc(0);
  }

  apply(change: (state: Buffer) => void): void {
    const next = Buffer.from(this.latest);
    change(next);
    this.states.push(next);
  }

  /** The length of the prefix that is there, the longest if several look the same; -1 when it is none. */
  find(content: Buffer): number {
    for (let at = this.states.length - 1; at >= 0; at--)
      if (this.states[at]?.equals(content)) return at;
    return -1;
  }
}

async function settle(world: World, work: Promise<unknown>): Promise<boolean> {
  let done = false;
  let failed: unknown;
  work.then(
    () => {
      done = true;
    },
    (error: unknown) => {
      failed = error;
    },
  );
  while (!done && world.after === undefined) {
    if (failed !== undefined) throw failed;
    await world.clock.advance(50);
  }
  return done && world.after === undefined;
}

async function step(
  world: World,
  volume: Volume,
  history: History,
  random: Random,
  habit: Habit,
): Promise<boolean> {
  const repeated = habit === 'repeated';
  const sectors = repeated ? 8 : 1 + random.below(random.below(4) === 0 ? 48 : 10);
  const offset = repeated ? random.below(24) * 4096 : random.below(sizeBytes / 512 - sectors) * 512;
  const kind = random.below(repeated ? 60 : 16);
  if (kind === 0 || kind === 5) {
    const goal = history.states.length - 1;
    const done = await settle(world, volume.flush());
    if (done) history.flushed = goal;
    return done;
  }
  if (kind === 1) return settle(world, world.clock.advance(700));
  if (kind <= 3) {
    history.apply((state) => state.fill(0, offset, offset + sectors * 512));
    return settle(world, volume.zero(offset, sectors * 512));
  }
  if (kind === 4) {
    const seen = Buffer.alloc(sectors * 512);
    const done = await settle(world, volume.read(offset, seen.length, seen, 0));
    if (done) expect(seen.equals(history.latest.subarray(offset, offset + seen.length))).toBe(true);
    return done;
  }
  const data = random.bytes(sectors * 512);
  history.apply((state) => data.copy(state, offset));
  return settle(world, volume.write(offset, data, 0, data.length));
}

async function open(world: World): Promise<{ engine: Engine; volume: Volume } | undefined> {
  const opening: { engine?: Engine; volume?: Volume } = {};
  const work = (async () => {
    opening.engine = await world.engine();
    opening.volume = await opening.engine.open(volumeId);
  })();
  if (!(await settle(world, work))) return undefined;
  const { engine, volume } = opening;
  return engine === undefined || volume === undefined ? undefined : { engine, volume };
}

/** Runs the history until it ends or the power fails. */
async function live(world: World, history: History, random: Random, habit: Habit): Promise<void> {
  const steps = 130;
  let opened = await open(world);
  for (let at = 0; at < steps && opened !== undefined; at++) {
    if (!(await step(world, opened.volume, history, random, habit))) return;
    if (at % 60 === 59) {
      const { engine, volume } = opened;
      if (
        !(await settle(
          world,
          volume.close().then(() => engine.close()),
        ))
      )
        return;
      history.flushed = history.states.length - 1;
      opened = await open(world);
    }
  }
}

async function contentOf(volume: Volume): Promise<Buffer> {
  const content = Buffer.alloc(sizeBytes);
  await volume.read(0, sizeBytes, content, 0);
  return content;
}

/** One life that ends at `crashAt`, then lives that end during recovery and shortly after, then a whole one. */
async function lives(seed: number, crashAt: number, habit: Habit): Promise<{ events: number }> {
  const settings = habit === 'repeated' ? roomy : smallSettings;
  const random = seededRandom(seed);
  const chance = seededRandom(seed * 1000 + crashAt);
  const history = new History();
  let world = new World({ settings });
  await world.addVolume(sizeBytes);
  world.events = 0;
  world.delays = seededRandom(seed);
  world.crashOn(crashAt, chance);
  await live(world, history, random, habit);
  const { events } = world;
  for (let life = 0; world.after !== undefined; life++) {
    world = new World({ ...world.after, settings });
    world.delays = chance;
    if (life < 4) world.crashOn(1 + chance.below(life % 2 === 0 ? 250 : 40), chance);
    const opened = await open(world);
    if (opened === undefined) continue;
    const content: { now?: Buffer } = {};
    const reading = contentOf(opened.volume).then((now) => {
      content.now = now;
    });
    if (!(await settle(world, reading)) || content.now === undefined) continue;
    const prefix = history.find(content.now);
    expect(prefix, `${habit} seed ${seed} crash at ${crashAt} life ${life}`).toBeGreaterThanOrEqual(
      history.flushed,
    );
    history.states.length = prefix + 1;
    // A recovered prefix is as good as flushed: nobody may see less of it later.
    history.flushed = prefix;
    await live2(world, opened.volume, history, chance, habit);
  }
  return { events };
}

async function live2(
  world: World,
  volume: Volume,
  history: History,
  random: Random,
  habit: Habit,
): Promise<void> {
  for (let at = 0; at < 25; at++) if (!(await step(world, volume, history, random, habit))) return;
  const goal = history.states.length - 1;
  if (await settle(world, volume.close())) history.flushed = goal;
}

describe('after a loss of power', () => {
  it.each<Habit>(['scattered', 'repeated'])(
    'a volume is a prefix of its writes with everything flushed, wherever it happened: %s',
    async (habit) => {
      for (let seed = 1; seed <= 3; seed++) {
        const { events } = await lives(seed, Number.POSITIVE_INFINITY, habit);
        expect(events).toBeGreaterThan(habit === 'repeated' ? 50 : 200);
        // Together the seeds try each kind of operation hundreds of times; a stride keeps the test short.
        const stride = habit === 'repeated' ? 5 : 8;
        for (let at = 1 + (seed % stride); at <= events; at += stride) await lives(seed, at, habit);
      }
    },
  );
});
