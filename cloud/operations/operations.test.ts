import { setTimeout as sleep } from 'node:timers/promises';
import Type from 'typebox';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure, isFailure } from '#common';
import { engines, TestDatabase } from '../state/testing/engines.ts';
import {
  declareWorkflow,
  type Operation,
  operationMigrations,
  type Step,
  type Workflow,
} from './index.ts';
import { openSample, type SampleRoom } from './testing/sample.ts';

let database: TestDatabase;
let folder: string;
let rooms: SampleRoom[];
afterEach(async () => {
  for (const room of rooms.reverse()) await room.close();
  await database.remove();
});

async function open(options: Parameters<typeof openSample>[1] = {}): Promise<SampleRoom> {
  const state = options.state ?? (await database.open([operationMigrations]));
  const room = await openSample(folder, { ...options, state });
  rooms.push(room);
  return room;
}

const nothing = Type.Object({});
const step = (name: string, run: Step<object>['run'], more: Partial<Step<object>> = {}) =>
  ({ name, timeoutMs: 5_000, retriesMax: 3, run, ...more }) as const;
const workflow = (name: string, steps: Step<object>[], more = {}): Workflow =>
  declareWorkflow({ name, input: nothing, steps, ...more });

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => (isFailure(error) ? `${error.kind} ${error.code}` : String(error)),
  );
const outcome = (room: SampleRoom, { id }: Operation) =>
  room.operations.outcome(id, AbortSignal.timeout(10_000));
/** Waits until the signal is given, as a good step does. */
const untilStopped = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
  });

describe.each(engines)('operations on %s', (engine) => {
  beforeEach(() => {
    database = new TestDatabase(engine);
    ({ folder } = database);
    rooms = [];
  });

  it('run their steps in order, remember, and can be looked at', async () => {
    const room = await open();
    const input = { folder, fails: false };
    const started = await room.operations.start({
      workflow: 'sample.make',
      input,
      projectId: 'p',
      resource: { type: 'thing', id: 't' },
    });
    const ended = await outcome(room, started);
    expect(ended).toMatchObject({ state: 'succeeded', projectId: 'p', step: 'fourth' });
    expect(ended.memory).toEqual({ first: true, child: 'succeeded', third: true });
    const steps = await room.operations.steps(ended.id);
    expect(steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'first done',
      'second done',
      'third done',
      'fourth done',
    ]);
    expect((await room.operations.findLatest({ type: 'thing', id: 't' }))?.id).toBe(ended.id);
  });

  it('begin with the transaction that makes their resource, or not at all', async () => {
    const room = await open();
    const start = { workflow: 'sample.make', input: { folder, fails: false } };
    let id = '';
    const failing = room.state.transaction(async (tx) => {
      id = (await room.operations.start(start, tx)).id;
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await room.operations.find(id)).toBeUndefined();
    const made = await room.state.transaction((tx) => room.operations.start(start, tx));
    expect((await outcome(room, made)).state).toBe('succeeded');
  });

  it('try again what waiting may cure, and then give up and undo', async () => {
    let tries = 0;
    const undone: string[] = [];
    const flaky = workflow('flaky', [
      step('a', async () => undefined, { undo: async () => void undone.push('a') }),
      step(
        'b',
        async ({ attempt }) => {
          tries = attempt;
          throw new Failure('busy', 'too-busy', 'Later');
        },
        { undo: async () => void undone.push('b') },
      ),
    ]);
    const room = await open({ workflows: [flaky] });
    const ended = await outcome(
      room,
      await room.operations.start({ workflow: 'flaky', input: {} }),
    );
    expect([ended.state, tries, undone]).toEqual(['failed', 4, ['b', 'a']]);
    expect(ended.error).toMatchObject({ kind: 'busy', code: 'too-busy', step: 'b' });
  });

  it('undo at once what waiting cannot cure, however often undoing fails', async () => {
    let undos = 0;
    const bad = workflow('bad', [
      step('a', async () => undefined, {
        undo: async () => {
          undos++;
          if (undos < 4) throw new Failure('unreachable', 'away', 'Nobody there');
          return undefined;
        },
      }),
      step('b', async () => {
        throw new Failure('conflict', 'taken', 'Taken');
      }),
    ]);
    const room = await open({ workflows: [bad] });
    const ended = await outcome(room, await room.operations.start({ workflow: 'bad', input: {} }));
    expect([ended.state, undos]).toEqual(['failed', 4]);
  });

  it('end a step that takes too long', async () => {
    const slow = workflow('slow', [
      step('a', ({ signal }) => untilStopped(signal), { timeoutMs: 30, retriesMax: 1 }),
    ]);
    const room = await open({ workflows: [slow] });
    const ended = await outcome(room, await room.operations.start({ workflow: 'slow', input: {} }));
    expect(ended.state).toBe('failed');
  });

  it('are cancelled while they run, while they wait, with their children, but not too late', async () => {
    let undone = 0;
    let begun = 0;
    const undo = async () => {
      undone++;
      return undefined;
    };
    const running = workflow('running', [
      step(
        'a',
        ({ signal }) => {
          begun++;
          return untilStopped(signal);
        },
        { undo },
      ),
    ]);
    const parent = workflow('parent', [
      step(
        'a',
        async ({ child }) => {
          await child({ key: 'k', workflow: 'running', input: {} });
          return { againAfterMs: 20 };
        },
        { undo },
      ),
    ]);
    const late = workflow(
      'late',
      [step('a', async () => undefined), step('b', async () => ({ againAfterMs: 20 }))],
      { pointOfNoReturn: 'b' },
    );
    const room = await open({ workflows: [running, parent, late] });
    const started = await room.operations.start({ workflow: 'parent', input: {} });
    await expect.poll(() => begun).toBe(1);
    await room.operations.cancel(started.id);
    expect((await outcome(room, started)).state).toBe('cancelled');
    expect(undone).toBe(2);
    expect(await codeOf(room.operations.cancel(started.id))).toBe('conflict operation-too-late');
    const other = await room.operations.start({ workflow: 'late', input: {} });
    await expect.poll(async () => (await room.operations.find(other.id))?.stepNumber).toBe(1);
    expect(await codeOf(room.operations.cancel(other.id))).toBe('conflict operation-too-late');
    expect(await codeOf(room.operations.cancel('nowhere'))).toBe('missing no-such-operation');
  });

  it('commit what a step decided together with the step, and tell their end', async () => {
    const ended: string[] = [];
    const writes = workflow(
      'writes',
      [
        step('a', async () => ({
          commit: async (tx) => {
            await tx.schema.createTable('written').addColumn('id', 'text').execute();
          },
        })),
      ],
      {
        ended: async (_tx: unknown, operation: Operation) => {
          ended.push(operation.state);
        },
      },
    );
    const room = await open({ workflows: [writes] });
    await outcome(room, await room.operations.start({ workflow: 'writes', input: {} }));
    const tables = await room.state.db.introspection.getTables();
    expect(tables.map((table) => table.name)).toContain('written');
    expect(ended).toEqual(['succeeded']);
  });

  it('pass to another controller when their owner is silent, and its late writes count for nothing', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const owners: string[] = [];
    const shared = (name: string) =>
      workflow('shared', [
        step('a', async () => {
          owners.push(name);
          if (name === 'silent') await held;
          return { remember: { by: name } };
        }),
      ]);
    // It looks at nothing and renews nothing while this test lasts.
    const still = { pollMs: 60_000, leaseMs: 600_000 };
    const silent = await open({
      workflows: [shared('silent')],
      owner: 'silent',
      settings: still,
    });
    const started = await silent.operations.start({ workflow: 'shared', input: {} });
    await expect.poll(() => owners).toEqual(['silent']);
    // What a paused process looks like from outside: its lease runs out.
    await silent.state.db
      .$extendTables<{ operation: { lease_until_us: number } }>()
      .updateTable('operation')
      .set({ lease_until_us: 0 })
      .execute();
    const other = await open({
      workflows: [shared('other')],
      owner: 'other',
      state: silent.state,
    });
    const ended = await outcome(other, started);
    expect([ended.state, ended.memory.by, owners]).toEqual([
      'succeeded',
      'other',
      ['silent', 'other'],
    ]);
    release();
    await sleep(50);
    expect((await other.operations.find(started.id))?.memory.by).toBe('other');
  });

  it('are given back when a controller closes, and taken up by the next one', async () => {
    let stops = 0;
    const long = (stays: boolean) =>
      workflow('long', [
        step('a', async ({ signal }) => {
          if (stays)
            await untilStopped(signal).catch((error: unknown) => {
              stops++;
              throw error;
            });
          return undefined;
        }),
      ]);
    const first = await open({ workflows: [long(true)] });
    const started = await first.operations.start({ workflow: 'long', input: {} });
    await expect.poll(async () => (await first.operations.find(started.id))?.state).toBe('running');
    await first.operations.close();
    expect(stops).toBe(1);
    const second = await open({ workflows: [long(false)], state: first.state, owner: 'two' });
    expect((await outcome(second, started)).state).toBe('succeeded');
  });

  it('are shared by two controllers, each step done once', async () => {
    const done: string[] = [];
    const counted = (owner: string) =>
      workflow('counted', [
        step('a', async ({ operation }) => {
          await sleep(1);
          done.push(`${operation.id} ${owner}`);
          return undefined;
        }),
      ]);
    const one = await open({ workflows: [counted('one')], owner: 'one' });
    const state = engine === 'sqlite' ? one.state : await database.open([operationMigrations]);
    const two = await open({ workflows: [counted('two')], owner: 'two', state });
    const started = await Promise.all(
      Array.from({ length: 60 }, () => one.operations.start({ workflow: 'counted', input: {} })),
    );
    for (const operation of started)
      expect((await outcome(two, operation)).state).toBe('succeeded');
    expect(new Set(done.map((line) => line.split(' ')[0])).size).toBe(60);
    expect(done).toHaveLength(60);
  });

  it('refuse a workflow that is not there and an input that does not fit', async () => {
    const room = await open();
    const start = (name: string, input: unknown) =>
      codeOf(room.operations.start({ workflow: name, input }));
    expect(await start('nothing', {})).toBe('bug bad-operation');
    expect(await start('sample.make', { folder: 1 })).toBe('bug bad-operation');
  });

  it('show how far they are', async () => {
    const far = workflow('far', [
      step('a', async ({ progress, signal }) => {
        progress(3, 10, 'bytes');
        return untilStopped(signal);
      }),
    ]);
    const room = await open({ workflows: [far] });
    const started = await room.operations.start({ workflow: 'far', input: {} });
    await expect
      .poll(async () => (await room.operations.find(started.id))?.progress)
      .toEqual({ done: 3, total: 10, unit: 'bytes' });
    await room.operations.cancel(started.id);
    expect((await outcome(room, started)).state).toBe('cancelled');
  });
});
