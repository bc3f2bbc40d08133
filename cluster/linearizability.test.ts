import { describe, expect, it } from 'vitest';
import { isLinearizable, type Operation } from './testing/history.ts';
import { client, expects, Recorder } from './testing/row-clients.ts';
import { World } from './testing/world.ts';

async function play(seed: number): Promise<readonly Operation[]> {
  const settings = { rowTimeoutMs: 60, failuresMax: 1000, hedgeFloorMs: 5 };
  const world = new World({ seed, replicas: 3 + 2 * (seed % 2), devices: 5, settings });
  for (const { faults } of world.devices) {
    faults.delayMsMax = 15;
    faults.loss = (seed % 4) * 0.05;
    faults.answerLoss = (seed % 3) * 0.06;
  }
  const recorder = new Recorder(world);
  // Coordinators whose wall clocks disagree by more than an operation takes.
  const clients = [0, 40_000, -25_000].map((skewUs, index) =>
    client(world, world.cluster(skewUs), recorder, { name: 'abc'[index] ?? '' }),
  );
  const broken = world.device(seed % 3);
  const trouble = world.clock.sleep(30).then(() => {
    if (seed % 5 === 0) broken.faults.hanging = true;
    if (seed % 5 === 1) broken.faults.down = true;
  });
  const room = seed % 3 === 2 ? roomComesAndGoes(world) : undefined;
  await world.run(Promise.all([...clients, trouble, room]));
  return recorder.history;
}

/** Devices that are full for a while refuse writes, also those that a read would spread. */
async function roomComesAndGoes(world: World): Promise<void> {
  for (let step = 0; step < 12; step++) {
    const { memory } = world.device(world.random.below(world.devices.length));
    memory.setState(world.random.below(3) === 0 ? 'ok' : 'full');
    await world.clock.sleep(world.random.unit() * 15);
  }
  for (const { memory } of world.devices) memory.setState('ok');
}

describe('one row under mixed writes, updates and reads', () => {
  it('is linearizable whatever is lost, late, down or full', async () => {
    for (const seed of seeds) {
      const history = await play(seed);
      if (isLinearizable(history)) continue;
      const told = [...history].sort((a, b) => a.start - b.start);
      const lines = told.map(
        ({ what, start, end }) => `${start.toFixed(2)}–${end.toFixed(2)} ${what}`,
      );
      expect.unreachable(`seed ${seed} is not linearizable:\n${lines.join('\n')}`);
    }
  });
});

// The first are those that once failed.
const seeds = [8, 998, ...Array.from({ length: 120 }, (_, index) => index + 1)];

describe('the checker', () => {
  const op = (what: string, start: number, end: number, apply: Operation['apply']): Operation => ({
    what,
    start,
    end,
    apply,
  });
  it('accepts concurrent writes in either order and refuses a read of the past', () => {
    const write = (text: string) => () => text;
    const sees = (text: string) => expects(text, (state) => state);
    const both = [op('w a', 0, 10, write('a')), op('w b', 5, 15, write('b'))];
    expect(isLinearizable([...both, op('r', 20, 21, sees('a'))])).toBe(true);
    expect(isLinearizable([...both, op('r', 20, 21, sees('b'))])).toBe(true);
    const later = [op('w a', 0, 1, write('a')), op('w b', 2, 3, write('b'))];
    expect(isLinearizable([...later, op('r', 4, 5, sees('a'))])).toBe(false);
    expect(isLinearizable([...both, op('r', 20, 21, sees('a')), op('r', 22, 23, sees('b'))])).toBe(
      false,
    );
  });
});
