/** Everything that can be known to be wrong before anything listens. */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { ensureFree, Failure, systemCodeOf, systemDisk, systemNet } from '#common';
import { type ClusterFile, type DataFolder, findCluster } from './data-folder.ts';
import { portBaseDefault, portOf, type Service } from './ports.ts';
import { renderBytes } from './progress.ts';

/** What the person typed; what they did not is remembered by the data folder, or the default. */
export interface StartChoice {
  readonly portBase?: number;
  readonly host?: string;
}

export interface Place {
  readonly portBase: number;
  readonly host: string;
}

/** Below this the logs of the devices could not even be begun. */
const freeBytesMin = 512 * 1024 * 1024;

const listening: readonly Service[] = ['swift', 's3', 'identity', 'nbd', 'hosts', 'admin'];

export function placeOf(cluster: ClusterFile | undefined, choice: StartChoice): Place {
  return {
    portBase: choice.portBase ?? cluster?.portBase ?? portBaseDefault,
    host: choice.host ?? cluster?.host ?? '127.0.0.1',
  };
}

export async function checkStart(folder: DataFolder, choice: StartChoice): Promise<void> {
  const cluster = findCluster(folder);
  await checkSettings(folder);
  makeFolder(folder);
  const space = await systemDisk.space(folder.root);
  if (space.freeBytes < freeBytesMin) {
    const facts = { path: folder.root };
    const message = `The disk is full: ${renderBytes(space.freeBytes)} are free and at least ${renderBytes(freeBytesMin)} are needed`;
    throw new Failure('busy', 'disk-full', message, { facts });
  }
  const place = placeOf(cluster, choice);
  for (const service of listening)
    await ensureFree(systemNet, { host: place.host, port: portOf(place.portBase, service) });
}

/** Defaults need no check, and knowing the declarations means loading every room. */
async function checkSettings(folder: DataFolder): Promise<void> {
  if (!fs.existsSync(folder.path('settings.yaml'))) return;
  const { readSettings } = await import('./settings.ts');
  readSettings(folder);
}

function makeFolder(folder: DataFolder): void {
  try {
    fs.mkdirSync(folder.root, { recursive: true, mode: 0o700 });
    fs.accessSync(folder.root, fs.constants.W_OK);
  } catch (error) {
    const facts = { path: folder.root, parent: dirname(folder.root), system: systemCodeOf(error) };
    throw new Failure('denied', 'data-not-writable', 'The data folder cannot be written', {
      facts,
      cause: error,
    });
  }
}
