/** `pileus ring plan`, `apply`, `status`, `pause`, `resume`, `undo`, `add-device`: changes of a running cluster's ring. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { call } from '../control/client.ts';
import type { RingProgress } from '../machines/ring-change.ts';
import type { RingPlan } from '../machines/ring-plan.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  integerArgument,
  jsonOption,
  print,
  sizeArgument,
} from './options.ts';
import { renderRingPlan, renderRingProgress } from './ring-text.ts';

interface WishOptions extends DataOptions {
  readonly weight: Readonly<Record<string, number>>;
  readonly drain: readonly string[];
  readonly remove: readonly string[];
  readonly replicas?: number;
  readonly rate?: number;
  readonly json?: boolean;
  readonly wait?: boolean;
}

type Answers = DataOptions & { readonly json?: boolean };

export function ringChangeCommands(): Command[] {
  const plan = wishes(
    new Command('plan'),
    'what a change would move: bytes, time, exposure',
  ).action(async (options: WishOptions) =>
    show(options, await call(folderOf(options), 'ring-plan', wishOf(options))),
  );
  const apply = wishes(new Command('apply'), 'change the ring, in waves, while clients work')
    .option('--wait', 'stay until it is done')
    .action(async (options: WishOptions) => {
      show(options, await call(folderOf(options), 'ring-apply', wishOf(options)));
      if (options.wait === true) await untilDone(options);
    });
  const addDevice = new Command('add-device')
    .description(
      'a device of this machine, with no weight yet: `ring apply --weight dN=100` fills it',
    )
    .argument('[folder]', 'where its disk is mounted (default: devices/dN in the data folder)')
    .requiredOption('--zone <n>', 'what fails together with it', integerArgument(0, 65_535))
    .addOption(dataOption())
    .action(async (path: string | undefined, options: DataOptions & { zone: number }) => {
      const args = { zone: options.zone, ...(path === undefined ? {} : { path }) };
      const { device } = (await call(folderOf(options), 'ring-add-device', args)) as {
        device: string;
      };
      print(device);
    });
  return [
    plan,
    apply,
    addDevice,
    told('status', 'how far a change is'),
    told('pause', 'let the wave that runs end, and begin no other'),
    told('resume', 'go on'),
    told('undo', 'lead back to where the change began'),
  ];
}

function told(name: string, about: string): Command {
  return new Command(name)
    .description(about)
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: Answers) => {
      const now = (await call(folderOf(options), `ring-${name}`)) as RingProgress;
      print(options.json === true ? now : renderRingProgress(now));
    });
}

function wishes(command: Command, about: string): Command {
  return command
    .description(about)
    .option(
      '--weight <device=n>',
      "a device's share relative to others (repeatable)",
      takeWeight,
      {},
    )
    .option('--drain <device>', 'a device that is to hold nothing (repeatable)', takeName, [])
    .option('--remove <device>', 'a device that is to go, or is dead (repeatable)', takeName, [])
    .option('--replicas <n>', 'copies of everything', takeNumber)
    .option(
      '--rate <bytes>',
      'per second, for the estimate (default: replicator.copyBytesPerSecond)',
      sizeArgument,
    )
    .addOption(dataOption())
    .addOption(jsonOption());
}

function wishOf({ weight, drain, remove, replicas, rate }: WishOptions) {
  const drained = Object.fromEntries(drain.map((device) => [device, 0]));
  return {
    weights: { ...weight, ...drained },
    remove,
    ...(replicas === undefined ? {} : { replicas }),
    ...(rate === undefined ? {} : { bytesPerSecond: rate }),
  };
}

function show(options: WishOptions, plan: unknown): void {
  print(options.json === true ? plan : renderRingPlan(plan as RingPlan));
}

async function untilDone(options: WishOptions): Promise<void> {
  for (;;) {
    const now = (await call(folderOf(options), 'ring-status')) as RingProgress;
    if (now.state !== 'running')
      return print(options.json === true ? now : renderRingProgress(now));
    await sleep(500);
  }
}

function takeWeight(
  text: string,
  before: Readonly<Record<string, number>>,
): Record<string, number> {
  const [device = '', weight = ''] = text.split('=');
  if (!/^d\d+$/.test(device)) throw new InvalidArgumentError('expected DEVICE=WEIGHT, as d5=100.');
  return { ...before, [device]: takeNumber(weight) };
}

function takeNumber(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('expected a number.');
  return value;
}

const takeName = (name: string, before: readonly string[]): readonly string[] => [...before, name];
