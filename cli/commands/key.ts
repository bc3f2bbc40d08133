/** `pileus key …`: the master keys of encrypted objects. */
import { Command } from 'commander';
import { call } from '../control/client.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  jsonOption,
  print,
} from './options.ts';

type Options = DataOptions & { readonly json?: boolean };

/** What both commands print: the versions of a key, the newest last. */
export interface KeyVersion {
  readonly name: string;
  readonly version: number;
  readonly created: string;
}

function render(versions: readonly KeyVersion[]): string {
  if (versions.length === 0) return 'no such key: the first encrypted object makes it';
  return versions
    .map((each) => `${each.name}  version ${each.version}  ${each.created}`)
    .join('\n');
}

function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument('[key]', 'name of the key; `default` is the one of SSE-S3', 'default')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (key: string, options: Options) => {
      const versions = (await call(folderOf(options), `key-${name}`, { key })) as KeyVersion[];
      print(options.json === true ? versions : render(versions));
    });
}

export function keyCommand(): Command {
  return groupCommand('key', 'manage the master keys of encrypted objects', [
    command('show', 'show the versions of a key'),
    command(
      'rotate',
      'make a new version, which new objects are encrypted under; older ones stay readable',
    ),
  ]);
}
