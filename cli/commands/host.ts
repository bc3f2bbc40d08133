/** `pileus host …`: compute hosts beside this machine. */
import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { stringify } from 'yaml';
import type { HostAdded, HostLine } from '../cloud-types.ts';
import { call } from '../control/client.ts';
import { writePrivate } from '../data-folder.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  jsonOption,
  print,
} from './options.ts';

export function hostCommand(): Command {
  const add = new Command('add')
    .description('let a compute host join: writes its settings file and its certificate')
    .argument('<name>', 'letters, digits and dashes; what `openstack hypervisor list` calls it')
    .option('--folder <dir>', 'where to write them (default: hosts/NAME in the data folder)')
    .addOption(dataOption())
    .action(async (name: string, options: DataOptions & { folder?: string }) => {
      const folder = folderOf(options);
      const made = (await call(folder, 'host-add', { name })) as HostAdded;
      const target = resolve(options.folder ?? folder.path('hosts', name));
      fs.mkdirSync(join(target, 'secrets'), { recursive: true, mode: 0o700 });
      for (const [file, text] of Object.entries(made.secrets))
        writePrivate(join(target, 'secrets', file), text);
      const file = join(target, 'compute.yaml');
      writePrivate(file, stringify(made.config));
      print(`./pileus run compute --config ${file}`);
    });
  const list = new Command('list')
    .description('compute hosts that may join, and whether they are here')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: DataOptions & { json?: boolean }) => {
      const hosts = (await call(folderOf(options), 'host-list')) as HostLine[];
      if (options.json === true) return print(hosts);
      for (const { name, tunnel, joined, since } of hosts)
        print(`${name}  ${tunnel}  ${joined ? `here since ${since}` : 'out of reach'}`);
    });
  const remove = new Command('remove')
    .description(
      'let a compute host in no more; its servers stay where they are until they are evacuated',
    )
    .argument('<name>')
    .addOption(dataOption())
    .action(async (name: string, options: DataOptions) => {
      await call(folderOf(options), 'host-remove', { name });
      print(`${name} is let in no more.`);
    });
  return groupCommand('host', 'compute hosts beside this machine', [add, list, remove]);
}
