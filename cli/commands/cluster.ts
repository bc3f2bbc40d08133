/** `pileus cluster …`: a cluster of made-up machines on this one, for trying out what several machines do. */
import * as fs from 'node:fs';
import { Command } from 'commander';
import { parse as parseYaml } from 'yaml';
import { groupCommand, integerArgument, jsonOption, print } from './options.ts';

interface UpOptions {
  readonly zones: number;
  readonly nodes: number;
  readonly devices: number;
  readonly replicas: number;
  readonly partPower: number;
  readonly settings?: string;
  readonly json?: boolean;
}

const load = () => import('../machines/test-cluster.ts');

export function clusterCommand(): Command {
  const up = new Command('up')
    .description(
      'make machines (network namespaces with addresses of their own) and start a cluster on them; needs root',
    )
    .argument('<folder>', 'where it lives: new or empty, or one whose machines were stopped')
    .option('--zones <n>', '', integerArgument(1, 16), 3)
    .option('--nodes <n>', 'storage machines in each zone', integerArgument(1, 8), 2)
    .option('--devices <n>', 'of each storage machine', integerArgument(1, 16), 1)
    .option('--replicas <n>', 'copies of everything', integerArgument(1, 16), 3)
    .option('--part-power <n>', 'the ring has 2^n partitions', integerArgument(1, 20), 10)
    .option('--settings <file>', 'settings of all machines (YAML)')
    .addOption(jsonOption())
    .action(async (folder: string, options: UpOptions) => {
      const { makeCluster, readCluster, startAll } = await load();
      if (!fs.existsSync(`${folder}/cluster.json`)) {
        const { settings: file, ...rest } = options;
        const settings =
          file === undefined ? undefined : (parseYaml(fs.readFileSync(file, 'utf8')) as unknown);
        await makeCluster({ folder, ...rest, ...(settings === undefined ? {} : { settings }) });
      }
      await startAll(folder);
      const cluster = readCluster(folder);
      if (options.json === true) return print(cluster);
      for (const { name, address, zone } of cluster.machines)
        print(
          `${name.padEnd(6)} ${address.padEnd(14)} ${zone === undefined ? 'controller, front door' : `zone ${zone}`}`,
        );
      print(`\n./pileus status --data ${folder}/front`);
    });
  const start = oneMachine(
    'start',
    'start a machine that was stopped or killed',
    async (folder, name) => {
      const { machineCalled, startMachine } = await load();
      await startMachine(folder, machineCalled(folder, name));
    },
  );
  const stop = oneMachine('stop', 'end a machine in order', async (folder, name) => {
    const { machineCalled, stopMachine } = await load();
    await stopMachine(folder, machineCalled(folder, name));
  });
  const restart = new Command('restart')
    .description(
      'start all machines anew, one after the other, as for an upgrade: clients see none of it but the front',
    )
    .argument('<folder>')
    .action(async (folder: string) => (await load()).restartAll(folder, print));
  const down = new Command('down')
    .description('stop the cluster and take its machines away; data stays')
    .argument('<folder>')
    .action(async (folder: string) => (await load()).removeCluster(folder));
  return groupCommand('cluster', 'made-up machines on this one', [up, start, stop, restart, down]);
}

function oneMachine(
  name: string,
  about: string,
  run: (folder: string, machine: string) => Promise<void>,
): Command {
  return new Command(name)
    .description(about)
    .argument('<folder>')
    .argument('<machine>')
    .action(run);
}
