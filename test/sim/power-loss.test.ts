/**
 * The power of one device, of two, or of all goes in the middle of concurrent writes, life after life. What was
 * acknowledged is read back, by name and in the listing; what was not may be there whole; nothing else is.
 * A failure names its seed; `./pileus test --kind sim --seed N` replays it.
 */
import { expect, test } from 'vitest';
import { World } from './world.ts';

const lives = 6;
const names = 14;
const fixed = process.env.PILEUS_TEST_SEED;
const seeds = fixed === undefined ? Array.from({ length: 25 }, (_, at) => at + 1) : [Number(fixed)];

interface Known {
  settled: string;
  possible: string[];
}

const absent = '';

class Story {
  private readonly world: World;
  private readonly known = new Map<string, Known>();
  private written = 0;

  constructor(world: World) {
    this.world = world;
  }

  private ref(name: string) {
    return { table: 'object', partition: 'container', sort: name };
  }

  /** One write of one name: a row with its body inside, a row that names a blob, or a tombstone. */
  private async write(name: string): Promise<void> {
    const { tables, blobs } = this.world.cluster;
    const known = this.known.get(name) ?? { settled: absent, possible: [] };
    this.known.set(name, known);
    const kind = this.world.random.below(4);
    const content = kind === 0 ? absent : `${name}#${++this.written}`;
    known.possible.push(content);
    if (kind === 0) await tables.delete(this.ref(name));
    else if (kind === 1) {
      const blob = await blobs.put([Buffer.from(content), Buffer.alloc(20_000, 1)]);
      await tables.put(this.ref(name), {
        meta: Buffer.from(`blob ${blob.id}`),
        bytes: 1,
        body: Buffer.alloc(0),
      });
    } else
      await tables.put(this.ref(name), {
        meta: Buffer.from('inline'),
        bytes: 1,
        body: Buffer.from(content),
      });
    known.settled = content;
    known.possible = [];
  }

  /** Every name is written by one writer at a time; the power goes somewhere in the middle. */
  async live(off: readonly number[]): Promise<void> {
    const writers = Array.from({ length: names }, async (_, at) => {
      for (let turn = 0; turn < 4; turn++) await this.write(`name-${at}`);
    });
    const ended = Promise.allSettled(writers);
    for (let steps = this.world.random.below(60); steps > 0; steps--)
      await this.world.clock.advance(0.01);
    this.world.powerOff(off);
    await this.world.settle(ended);
  }

  private async read(name: string): Promise<string> {
    const { tables, blobs } = this.world.cluster;
    const row = await tables.get(this.ref(name), { body: true });
    if (row === undefined) return absent;
    const [kind, id = ''] = row.meta.toString().split(' ');
    if (kind === 'inline') return row.body?.toString() ?? 'no body';
    const bytes = await blobs.read(id, 0, 1_000_000);
    return bytes.subarray(0, bytes.length - 20_000).toString();
  }

  async check(): Promise<string[]> {
    const wrong: string[] = [];
    for (const [name, known] of this.known) {
      const found = await this.world.settle(this.read(name));
      if (found !== known.settled && !known.possible.includes(found))
        wrong.push(`${name}: ${found}, not ${known.settled}`);
      known.settled = found;
      known.possible = [];
    }
    const list = this.world.cluster.tables.list({
      table: 'object',
      partition: 'container',
      limit: 1000,
    });
    const { entries } = await this.world.settle(list);
    const present = [...this.known]
      .filter(([, known]) => known.settled !== absent)
      .map(([name]) => name);
    expect(entries.map((entry) => entry.row?.sort)).toEqual(present.sort());
    return wrong;
  }
}

test.each(seeds)('seed %i', async (seed) => {
  const world = new World(seed);
  const story = new Story(world);
  for (let life = 0; life < lives; life++) {
    await world.powerOn();
    if (life > 0) expect(await story.check()).toEqual([]);
    const everything = world.everyDevice();
    const lost = 1 + world.random.below(everything.length);
    await story.live(lost === 3 ? everything : everything.slice(0, lost));
  }
  await world.powerOn();
  expect(await story.check()).toEqual([]);
});
