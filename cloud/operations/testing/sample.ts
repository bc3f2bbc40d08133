/** A workflow whose effects are files in a folder: three steps, the second by way of a child. For tests. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import Type from 'typebox';
import { openState, type State, stateSettings } from '#cloud/state';
import {
  createMetrics,
  defaultsOf,
  Failure,
  silentLogger,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import {
  createOperations,
  declareWorkflow,
  hasEnded,
  type Operations,
  operationMigrations,
  operationSettings,
  type Step,
  type Workflow,
} from '../index.ts';
import type { OperationSettings } from '../settings.ts';

const Input = Type.Object({ folder: Type.String(), fails: Type.Boolean() });

/** Creates or adopts a file; takes it away again. */
function fileStep(name: string): Step<{ folder: string }> {
  const pathOf = (folder: string) => join(folder, `${name}.made`);
  return {
    name,
    timeoutMs: 10_000,
    retriesMax: 3,
    run: async ({ input, operation }) => {
      fs.writeFileSync(pathOf(input.folder), operation.id);
      return { remember: { [name]: true } };
    },
    undo: async ({ input }) => {
      fs.rmSync(pathOf(input.folder), { force: true });
      return undefined;
    },
  };
}

export const childWorkflow: Workflow = declareWorkflow({
  name: 'sample.child',
  input: Type.Object({ folder: Type.String() }),
  steps: [fileStep('child')],
});

export const sampleWorkflow: Workflow = declareWorkflow({
  name: 'sample.make',
  input: Input,
  steps: [
    fileStep('first'),
    {
      name: 'second',
      timeoutMs: 10_000,
      retriesMax: 3,
      run: async ({ child, input }) => {
        const { folder } = input;
        const made = await child({ key: 'only', workflow: 'sample.child', input: { folder } });
        return hasEnded(made) ? { remember: { child: made.state } } : { againAfterMs: 50 };
      },
      // The child may have worked before its parent turned back.
      undo: async ({ input }) => {
        fs.rmSync(join(input.folder, 'child.made'), { force: true });
        return undefined;
      },
    },
    fileStep('third'),
    {
      name: 'fourth',
      timeoutMs: 10_000,
      retriesMax: 0,
      run: async ({ input }) => {
        if (input.fails) throw new Failure('invalid', 'told-to-fail', 'As it was told');
        return {};
      },
    },
  ],
});

export const quick: OperationSettings = {
  ...defaultsOf(operationSettings),
  pollMs: 20,
  retryMs: 10,
  leaseMs: 1_000,
};

export interface SampleRoom {
  readonly state: State;
  readonly operations: Operations;
  close(): Promise<void>;
}

export async function openSample(
  folder: string,
  options: {
    readonly workflows?: readonly Workflow[];
    readonly settings?: Partial<OperationSettings>;
    readonly owner?: string;
    readonly reached?: (point: string) => void;
    /** Without it, SQLite in the folder. */
    readonly state?: State;
  } = {},
): Promise<SampleRoom> {
  const state =
    options.state ??
    (await openState({
      path: join(folder, 'state.sqlite'),
      settings: defaultsOf(stateSettings),
      migrations: [operationMigrations],
      disk: systemDisk,
      clock: systemClock,
      log: silentLogger,
    }));
  const operations = createOperations({
    state,
    settings: { ...quick, ...options.settings },
    owner: options.owner ?? 'one',
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics(),
    ...(options.reached === undefined ? {} : { reached: options.reached }),
  });
  operations.add(options.workflows ?? [sampleWorkflow, childWorkflow]);
  await operations.open();
  return {
    state,
    operations,
    close: async () => {
      await operations.close();
      if (options.state === undefined) await state.close();
    },
  };
}
