/** `pileus volume …`: volumes of a running cloud, exported by NBD. */

import * as fs from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { call } from '../control/client.ts';
import { ensurePackages, packagesFor } from '../packages.ts';
import { progressLine, renderBytes } from '../progress.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  integerArgument,
  jsonOption,
  print,
  sizeArgument,
} from './options.ts';
import { volumePointCommands } from './volume-points.ts';

interface CreateOptions extends DataOptions {
  readonly name: string;
  readonly size?: number;
  readonly from?: string;
  readonly export?: boolean;
  readonly encrypt?: string | true;
  readonly retention?: number;
  readonly durability?: string;
  readonly json?: boolean;
}

/** What `volume create`, `show` and `list` print. */
export interface VolumeLine {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly created?: string;
  /** It shares the blobs of the object that it was made of. */
  readonly shares?: boolean;
  readonly nbd?: string;
  readonly nbd_unix?: string;
}

type Shown = DataOptions & { json?: boolean };

export function volumeCommand(): Command {
  return groupCommand('volume', 'manage volumes', [
    createCommand(),
    listCommand(),
    showCommand(),
    deleteCommand(),
    ...volumePointCommands(),
  ]);
}

function createCommand(): Command {
  return new Command('create')
    .description('create a volume: empty, from an image file, or from a stored object')
    .requiredOption('--name <name>', 'name, unique in the cloud')
    .option(
      '--size <size>',
      'size, such as 256MiB; with --from at least the size of what is in it (default: that size)',
      sizeArgument,
    )
    .option(
      '--from <source>',
      'image:NAME, an image file (raw or qcow2), or CONTAINER/OBJECT of the admin project (the bytes of a disk are shared, not copied)',
    )
    .option('--export', 'also print where NBD clients reach it')
    .option(
      '--encrypt [key]',
      'seal its data with a key of the key store, made when it is not there',
    )
    .option(
      '--retention <seconds>',
      'keep any instant of so long ago',
      integerArgument(0, 31_622_400),
    )
    .addOption(
      new Option('--durability <kind>', 'what a flush waits for').choices(['local', 'replicated']),
    )
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async ({ data, json, ...options }: CreateOptions) => {
      const line = progressLine();
      const { from, encrypt, retention, ...rest } = options;
      const args = {
        ...rest,
        ...(encrypt === undefined ? {} : { encrypt: encrypt === true ? 'default' : encrypt }),
        ...(retention === undefined ? {} : { retentionS: retention }),
      };
      const source = from === undefined ? {} : sourceOf(from);
      // Looked for here and not in the cloud: installing would hold up its other work.
      if (from?.startsWith('image:') === false)
        ensurePackages(packagesFor.images, 'making volumes from images');
      try {
        const onProgress = line.show;
        const volume = await call(
          folderOf({ data }),
          'volume-create',
          { ...args, ...source },
          { onProgress },
        );
        printVolume(volume as VolumeLine, json);
      } finally {
        line.end();
      }
    });
}

/** `image:NAME` is an image; a path that exists a file; anything else with a slash an object. */
function sourceOf(from: string): { file: string } | { object: string } | { image: string } {
  if (from.startsWith('image:')) return { image: from.slice('image:'.length) };
  return fs.existsSync(from) || !from.includes('/') ? { file: resolve(from) } : { object: from };
}

function listCommand(): Command {
  return new Command('list')
    .description('list volumes')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: Shown) => {
      const volumes = (await call(folderOf(options), 'volume-list')) as VolumeLine[];
      if (options.json === true) print(volumes);
      else
        for (const volume of volumes)
          print(`${volume.id}  ${renderBytes(volume.size).padEnd(9)} ${volume.name}`);
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('show one volume and where NBD clients reach it')
    .argument('<volume>', 'id or name')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (volume: string, options: Shown) => {
      printVolume(
        (await call(folderOf(options), 'volume-show', { volume })) as VolumeLine,
        options.json,
      );
    });
}

function deleteCommand(): Command {
  return new Command('delete')
    .description('delete a volume that no client has open')
    .argument('<volume>', 'id or name')
    .addOption(dataOption())
    .option('--cascade', 'its snapshots too')
    .action(async (volume: string, options: DataOptions & { cascade?: boolean }) => {
      const { data, ...rest } = options;
      await call(folderOf({ data }), 'volume-delete', { volume, ...rest });
    });
}

export function printVolume(volume: VolumeLine, json: boolean | undefined): void {
  if (json === true) {
    print(volume);
    return;
  }
  const lines = [`id    ${volume.id}`, `name  ${volume.name}`, `size  ${renderBytes(volume.size)}`];
  if (volume.shares === true) lines.push('data  shared with the object it was made of');
  if (volume.nbd !== undefined) lines.push(`nbd   ${volume.nbd}`);
  if (volume.nbd_unix !== undefined) lines.push(`      ${volume.nbd_unix}`);
  print(lines.join('\n'));
}
