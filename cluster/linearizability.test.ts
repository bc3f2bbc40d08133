import { describe, expect, it } from 'vitest';
import { isFailure } from '#common';
import type { Cluster } from './cluster.ts';
import type { RowValue, StoredRow, UpdateOutcome } from './tables.ts';
import { isLinearizable, type Operation, type State } from './testing/history.ts';
import { World } from './testing/world.ts';

const ref = { table: 'leases', partition: 'p', sort: 'row' };
const noBody = Buffer.alloc(0);

function rowOf(text: string): RowValue {
  // The text lies in the body, so that a body never goes with another version's row unnoticed.
  return { meta: Buffer.from(text.slice(-1)), bytes: text.length, body: Buffer.from(text) };
}

function textOf(row: StoredRow | undefined): State {
  if (row === undefined) return undefined;
  const text = (row.body ?? noBody).toString();
  expect(row.meta.toString()).toBe(text.slice(-1));
  expect(row.bytes).toBe(text.length);
  return text;
}

const expects =
  (seen: State, then: (state: State) => State) =>
  (state: State): State | 'refused' =>
    state === seen ? then(state) : 'refused';

class Recorder {
  readonly history: Operation[] = [];
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** `maybe`: what it does to the state if it took effect although it failed. */
  async record<T>(
    what: string,
    run: () => Promise<T>,
    apply: (outcome: T) => Operation['apply'],
    maybe?: (state: State) => State,
  ): Promise<void> {
    const start = this.world.clock.monotonicMs();
    try {
      const outcome = await run();
      const end = this.world.clock.monotonicMs();
      this.history.push({ what: `${what} ${told(outcome)}`, start, end, apply: apply(outcome) });
    } catch (error) {
      // Of a write that full devices refused, one of them may have taken it.
      const isUncertain = (['unreachable', 'conflict', 'busy'] as const).some((kind) =>
        isFailure(error, kind),
      );
      if (!isUncertain) throw error;
      if (maybe !== undefined)
        this.history.push({ what: `${what}?`, start, end: Infinity, apply: maybe });
    }
  }
}

/** What an operation saw, for the report of a failure. */
function told(outcome: unknown): string {
  if (typeof outcome !== 'object' || outcome === null) return String(outcome);
  return JSON.stringify(outcome, (_, value: unknown) =>
    isBufferJson(value) ? Buffer.from(value.data).toString() : value,
  );
}

function isBufferJson(value: unknown): value is { readonly data: readonly number[] } {
  return typeof value === 'object' && value !== null && 'data' in value && 'type' in value;
}

class Refusal extends Error {}

/** One client: a few operations one after the other, each of a random kind. */
async function client(world: World, cluster: Cluster, recorder: Recorder, name: string) {
  for (let step = 0; step < 5; step++) {
    await world.clock.sleep(world.random.unit() * 20);
    const letter = `${name}${step}`;
    const kind = world.random.below(5);
    if (kind === 0) await put(cluster, recorder, letter);
    else if (kind === 1) await append(cluster, recorder, letter);
    else if (kind === 2) await createOnly(cluster, recorder, letter);
    else if (kind === 3) await remove(cluster, recorder);
    else await get(cluster, recorder);
  }
}

function put(cluster: Cluster, recorder: Recorder, letter: string): Promise<void> {
  const set = () => letter;
  return recorder.record(
    `put ${letter}`,
    () => cluster.tables.put(ref, rowOf(letter)),
    () => set,
    set,
  );
}

function remove(cluster: Cluster, recorder: Recorder): Promise<void> {
  const clear = () => undefined;
  return recorder.record(
    'delete',
    () => cluster.tables.delete(ref),
    () => clear,
    clear,
  );
}

function get(cluster: Cluster, recorder: Recorder): Promise<void> {
  const run = () => cluster.tables.get(ref, { body: true });
  return recorder.record('get', run, (row) => expects(textOf(row), (state) => state));
}

/** Not idempotent: applied twice, or lost, it shows. */
function append(cluster: Cluster, recorder: Recorder, letter: string): Promise<void> {
  const longer = (state: State) => `${state ?? ''}+${letter}`;
  const run = () => cluster.tables.update(ref, (row) => rowOf(longer(textOf(row))), { body: true });
  const seen = (outcome: UpdateOutcome) => expects(textOf(outcome.previous), longer);
  return recorder.record(`append ${letter}`, run, seen, longer);
}

/** A condition that fails must be true when it is said to have failed, and means that nothing was changed. */
async function createOnly(cluster: Cluster, recorder: Recorder, letter: string): Promise<void> {
  const run = async (): Promise<boolean> => {
    try {
      await cluster.tables.update(ref, (row) => {
        if (row !== undefined) throw new Refusal();
        return rowOf(letter);
      });
      return true;
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    }
  };
  const apply = (created: boolean) => (state: State) => {
    if (created !== (state === undefined)) return 'refused' as const;
    return created ? letter : state;
  };
  const maybe = (state: State) => state ?? letter;
  return recorder.record(`create ${letter}`, run, apply, maybe);
}

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
    client(world, world.cluster(skewUs), recorder, 'abc'[index] ?? ''),
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
