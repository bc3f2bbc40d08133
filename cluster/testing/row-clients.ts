/** Clients of one row, and the record of what each did and saw. */
import { expect } from 'vitest';
import { isFailure } from '#common';
import type { Cluster } from '../cluster.ts';
import type { RowValue, StoredRow, UpdateOutcome } from '../tables.ts';
import type { Operation, State } from './history.ts';
import type { World } from './world.ts';

export const ref = { table: 'leases', partition: 'p', sort: 'row' };
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

export const expects =
  (seen: State, then: (state: State) => State) =>
  (state: State): State | 'refused' =>
    state === seen ? then(state) : 'refused';

export class Recorder {
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
export async function client(
  world: World,
  cluster: Cluster,
  recorder: Recorder,
  { name, restMsMax = 20 }: { readonly name: string; readonly restMsMax?: number },
) {
  for (let step = 0; step < 5; step++) {
    await world.clock.sleep(world.random.unit() * restMsMax);
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
