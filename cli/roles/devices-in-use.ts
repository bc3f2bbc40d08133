/**
 * Which devices have been in use, and which disk each was last: `ring/devices-in-use`, a line for each, its name and the disk's mark. A device found empty has
 * been replaced and must be refilled; a disk with another mark is one that was replaced before, and knows nothing of what happened since.
 */
import * as fs from 'node:fs';
import { replaceWhole, systemDisk } from '#common';
import type { DataFolder } from '../data-folder.ts';

/** By device name; an empty mark where the disk is of before there were any. */
export type DevicesInUse = ReadonlyMap<string, string>;

const pathIn = (folder: DataFolder) => folder.path('ring', 'devices-in-use');

export function readDevicesInUse(folder: DataFolder): DevicesInUse {
  const path = pathIn(folder);
  if (!fs.existsSync(path)) return new Map();
  const lines = fs.readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [name = '', mark = ''] = line.split(' ');
      return [name, mark];
    }),
  );
}

export async function writeDevicesInUse(folder: DataFolder, now: DevicesInUse): Promise<void> {
  const textOf = (devices: DevicesInUse) =>
    [...devices].map(([name, mark]) => `${name} ${mark}`.trimEnd().concat('\n')).join('');
  if (textOf(now) === textOf(readDevicesInUse(folder))) return;
  await systemDisk.makeDirectory(folder.path('ring'));
  await replaceWhole(systemDisk, pathIn(folder), Buffer.from(textOf(now)));
}
