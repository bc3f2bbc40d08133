/** `pileus node …` and `pileus join`: storage nodes on machines of their own. */
import { Command } from 'commander';
import { call } from '../control/client.ts';
import type { NodeLine } from '../machines/node-calls.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  integerArgument,
  jsonOption,
  print,
} from './options.ts';

export function nodeCommand(): Command {
  const add = new Command('add')
    .description(
      'let a machine join as a storage node: prints a token, good for one use within an hour',
    )
    .argument('<name>', 'letters, digits and dashes')
    .requiredOption('--zone <n>', 'what fails together with it', integerArgument(0, 65_535))
    .addOption(dataOption())
    .action(async (name: string, options: DataOptions & { zone: number }) => {
      const { token } = (await call(folderOf(options), 'node-add', {
        name,
        zone: options.zone,
      })) as {
        token: string;
      };
      print(
        `On the other machine:\n\n./pileus join ${token} --host ITS_ADDRESS --data /srv/pileus`,
      );
    });
  const list = new Command('list')
    .description('storage nodes, and whether they are here')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: DataOptions & { json?: boolean }) => {
      const nodes = (await call(folderOf(options), 'node-list')) as NodeLine[];
      if (options.json === true) return print(nodes);
      for (const node of nodes) print(lineOf(node));
    });
  const remove = new Command('remove')
    .description('let a node in no more, once its devices are out of the ring')
    .argument('<name>')
    .addOption(dataOption())
    .action(async (name: string, options: DataOptions) => {
      await call(folderOf(options), 'node-remove', { name });
      print(`${name} is let in no more.`);
    });
  const mayStop = new Command('may-stop')
    .description(
      'exits 0 when a node may be stopped and clients would not notice, else says why not',
    )
    .argument('<name>')
    .addOption(dataOption())
    .action(async (name: string, options: DataOptions) => {
      await call(folderOf(options), 'node-may-stop', { name });
      print(`${name} may be stopped.`);
    });
  return groupCommand('node', 'storage nodes on other machines', [add, list, remove, mayStop]);
}

function lineOf({ name, host, port, devices, since, version, epoch, refused }: NodeLine): string {
  const here =
    since === null ? 'out of reach' : `here since ${since}, version ${version}, epoch ${epoch}`;
  return `${name}  ${host}:${port}  ${devices.join(',')}  ${refused ?? here}`;
}

export function joinCommand(): Command {
  return new Command('join')
    .description('make this machine a storage node of the cluster that made the token')
    .argument('<token>', 'as `pileus node add` printed it')
    .requiredOption('--host <address>', "this machine's address, as the others reach it")
    .option('--port <n>', 'where the node listens', integerArgument(1, 65_535), 8090)
    .option(
      '--device <folder>',
      'where a disk is mounted (repeatable; one device in the data folder when left out)',
      (path: string, before: readonly string[]) => [...before, path],
      [],
    )
    .addOption(dataOption())
    .action(
      async (
        token: string,
        options: DataOptions & { host: string; port: number; device: readonly string[] },
      ) => {
        const { joinCluster } = await import('../machines/join.ts');
        const { data, host, port, device } = options;
        const file = await joinCluster(token, { data, host, port, devices: device });
        print(`./pileus run storage --config ${file}`);
      },
    );
}
