/** `pileus sim`: clusters on virtual time, their own code on made-up disks and networks; the simulation lives in `test/sim/`. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Command } from 'commander';
import { integerArgument } from './options.ts';

const runner = join(import.meta.dirname, '../../test/sim/run.ts');

interface SimOptions {
  readonly seed: number;
  readonly seeds: number;
  readonly days: string;
  readonly minutes?: string;
  readonly ring?: string;
  readonly events?: boolean;
}

export function simCommand(): Command {
  return new Command('sim')
    .description('simulate clusters under faults, and look for broken promises')
    .option('--seed <n>', 'the first seed', integerArgument(0, 2 ** 32 - 1), 1)
    .option('--seeds <n>', 'how many, one after the other', integerArgument(1, 2 ** 31), 10)
    .option('--days <n>', 'simulated days for each', '1')
    .option('--minutes <n>', 'begin no further seed after so many real minutes')
    .option('--ring <file>', 'on the devices and zones of this ring file; else three zones of two')
    .option('--events', 'print every fault and check')
    .action((options: SimOptions) => {
      const { seed, seeds, days, minutes, ring, events } = options;
      const args = ['--seed', `${seed}`, '--seeds', `${seeds}`, '--days', days];
      if (minutes !== undefined) args.push('--minutes', minutes);
      if (ring !== undefined) args.push('--ring', ring);
      if (events === true) args.push('--events');
      const run = spawnSync(process.execPath, [...process.execArgv, runner, ...args], {
        stdio: 'inherit',
      });
      process.exitCode = run.status ?? 1;
    });
}
