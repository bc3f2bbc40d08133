/** `pileus image …`: images of a running cloud, for its operator; users have `openstack image`. */
import * as fs from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { call } from '../control/client.ts';
import { progressLine, renderBytes } from '../progress.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  jsonOption,
  print,
} from './options.ts';

/** What `image create` and `list` print. */
export interface ImageLine {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly size?: number;
  readonly format?: string;
  readonly visibility?: string;
  readonly reason?: string;
}

interface CreateOptions extends DataOptions {
  readonly name: string;
  readonly format?: string;
  readonly public?: boolean;
  readonly json?: boolean;
}

type Shown = DataOptions & { json?: boolean };

export function imageCommand(): Command {
  return groupCommand('image', 'manage images', [listCommand(), createCommand()]);
}

function listCommand(): Command {
  return new Command('list')
    .description('list all images')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: Shown) => {
      const images = (await call(folderOf(options), 'image-list')) as ImageLine[];
      if (options.json === true) print(images);
      else for (const image of images) print(lineText(image));
    });
}

function createCommand(): Command {
  return new Command('create')
    .description('make an image of a file (its format is told by its content) or of a URL')
    .argument('<source>', 'a file, or http(s)://…')
    .requiredOption('--name <name>', 'what it is called')
    .option('--format <format>', 'disk format of a download: raw, qcow2, …')
    .option('--public', 'for all projects')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (source: string, { data, json, ...options }: CreateOptions) => {
      const line = progressLine();
      const isFile = fs.existsSync(source) || !/^https?:\/\//.test(source);
      const from = isFile ? { file: resolve(source) } : { url: source };
      try {
        const onProgress = line.show;
        const folder = folderOf({ data });
        const made = await call(folder, 'image-create', { ...options, ...from }, { onProgress });
        const image = made as ImageLine;
        print(json === true ? image : lineText(image));
      } finally {
        line.end();
      }
    });
}

function lineText({ id, name, status, size, format = '', reason }: ImageLine): string {
  const bytes = size === undefined ? '' : renderBytes(size);
  const why = reason === undefined ? '' : `  ${reason}`;
  return `${id.padEnd(36)}  ${status.padEnd(11)} ${format.padEnd(6)} ${bytes.padEnd(9)} ${name}${why}`;
}
